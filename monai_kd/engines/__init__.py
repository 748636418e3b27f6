# SPDX-License-Identifier: Apache-2.0
"""MONAI's trainer with a teacher, views of a batch for both networks, and additional loss terms."""

from monai_kd.engines.distributed import distribute, join_processes, process_device
from monai_kd.engines.inference_evaluator import ImagesLeftOutError, InferenceEvaluator
from monai_kd.engines.prepare_mix_up import PrepareBatchMixUp
from monai_kd.engines.prepare_out_of_fold import PrepareBatchOutOfFold
from monai_kd.engines.prepare_teacher_feature import PrepareTeacherFeature
from monai_kd.engines.prepare_views import PrepareBatchViews
from monai_kd.engines.temporal_smoothing import TemporalSmoothingInferer
from monai_kd.engines.trainer import DistillationTrainer
from monai_kd.utils.loss_terms import add_loss_term, loss_terms

__all__ = [
    "DistillationTrainer",
    "ImagesLeftOutError",
    "InferenceEvaluator",
    "PrepareBatchMixUp",
    "PrepareBatchOutOfFold",
    "PrepareBatchViews",
    "PrepareTeacherFeature",
    "TemporalSmoothingInferer",
    "add_loss_term",
    "distribute",
    "join_processes",
    "loss_terms",
    "process_device",
]
