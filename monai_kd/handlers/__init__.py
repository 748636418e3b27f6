# SPDX-License-Identifier: Apache-2.0
"""Handlers for MONAI's and ignite's engines."""

# One line a class; `__all__` follows from these lines.
from monai_kd.handlers.checkpoint_saver import AtomicCheckpointSaver as AtomicCheckpointSaver
from monai_kd.handlers.classification_scores import ClassificationScoresHandler as ClassificationScoresHandler
from monai_kd.handlers.config_copy import ConfigCopyHandler as ConfigCopyHandler
from monai_kd.handlers.each_image_once import EachImageOnceHandler as EachImageOnceHandler
from monai_kd.handlers.feature_hooks import FeatureHookHandler as FeatureHookHandler
from monai_kd.handlers.final_validation import FinalValidationHandler as FinalValidationHandler
from monai_kd.handlers.finite_loss import FiniteLossHandler as FiniteLossHandler
from monai_kd.handlers.inference.dicom_segmentation import DicomSegmentationHandler as DicomSegmentationHandler
from monai_kd.handlers.methods.adversarial import AdversarialHandler as AdversarialHandler
from monai_kd.handlers.methods.adversarial_logits import AdversarialLogitsHandler as AdversarialLogitsHandler
from monai_kd.handlers.methods.gradient_attention import GradientAttentionHandler as GradientAttentionHandler
from monai_kd.handlers.methods.holistic import HolisticHandler as HolisticHandler
from monai_kd.handlers.methods.trajectory import TrajectoryHandler as TrajectoryHandler
from monai_kd.handlers.metric_log import EvalMetricsHandler as EvalMetricsHandler
from monai_kd.handlers.metric_log import MetricLogHandler as MetricLogHandler
from monai_kd.handlers.patience import PatienceHandler as PatienceHandler
from monai_kd.handlers.resume import ResumeHandler as ResumeHandler
from monai_kd.handlers.scores import ScoresHandler as ScoresHandler
from monai_kd.handlers.seed import SeedHandler as SeedHandler
from monai_kd.utils.exports import exported as _exported

__all__ = _exported(globals())
