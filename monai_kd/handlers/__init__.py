# SPDX-License-Identifier: Apache-2.0
"""Handlers for MONAI's and ignite's engines."""

from monai_kd.handlers.checkpoint_saver import AtomicCheckpointSaver
from monai_kd.handlers.classification_scores import ClassificationScoresHandler
from monai_kd.handlers.config_copy import ConfigCopyHandler
from monai_kd.handlers.each_image_once import EachImageOnceHandler
from monai_kd.handlers.feature_hooks import FeatureHookHandler
from monai_kd.handlers.final_validation import FinalValidationHandler
from monai_kd.handlers.finite_loss import FiniteLossHandler
from monai_kd.handlers.methods.adversarial import AdversarialHandler
from monai_kd.handlers.methods.adversarial_logits import AdversarialLogitsHandler
from monai_kd.handlers.methods.gradient_attention import GradientAttentionHandler
from monai_kd.handlers.methods.holistic import HolisticHandler
from monai_kd.handlers.methods.trajectory import TrajectoryHandler
from monai_kd.handlers.metric_log import EvalMetricsHandler, MetricLogHandler
from monai_kd.handlers.patience import PatienceHandler
from monai_kd.handlers.resume import ResumeHandler
from monai_kd.handlers.scores import ScoresHandler
from monai_kd.handlers.seed import SeedHandler

__all__ = [
    "AdversarialHandler",
    "AdversarialLogitsHandler",
    "AtomicCheckpointSaver",
    "ClassificationScoresHandler",
    "ConfigCopyHandler",
    "EachImageOnceHandler",
    "EvalMetricsHandler",
    "FeatureHookHandler",
    "FinalValidationHandler",
    "FiniteLossHandler",
    "GradientAttentionHandler",
    "HolisticHandler",
    "MetricLogHandler",
    "PatienceHandler",
    "ResumeHandler",
    "ScoresHandler",
    "SeedHandler",
    "TrajectoryHandler",
]
