# SPDX-License-Identifier: Apache-2.0
"""The trainings of the student with its teacher, of the student alone, and of the teacher."""

from bundles.source.classification.task import CLASSIFICATION, STUDENT, TEACHER, TEACHER_CHANNELS
from bundles.source.shared.stages import DISTRIBUTED, alone, distillation
from bundles.source.shared.train import training

BOTH = {
    "student_channels": STUDENT["student_channels"],
    **TEACHER_CHANNELS,
    "network_def": STUDENT["network_def"],
    **DISTRIBUTED,
    "teacher_def": TEACHER,
}
LARGE = {**TEACHER_CHANNELS, "teacher_def": TEACHER, "network_def": "@teacher_def", **DISTRIBUTED}

TRAININGS = {
    "train": training(CLASSIFICATION, distillation(BOTH)),
    "train_student": training(CLASSIFICATION, alone("student", {**STUDENT, **DISTRIBUTED})),
    "train_teacher": training(CLASSIFICATION, alone("teacher", LARGE, learning_rate=0.001)),
}
