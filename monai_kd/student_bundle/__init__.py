# SPDX-License-Identifier: Apache-2.0
"""Any MONAI bundle as teacher: a new bundle whose training is the teacher's own, with a student that learns from it."""

from monai_kd.student_bundle.draft import Draft, Request, make_draft
from monai_kd.student_bundle.nnunet.teacher_bundle import opened_teacher
from monai_kd.student_bundle.pairs import Pair, pairs_text, read_names, read_pairs
from monai_kd.student_bundle.running import bundle_commands, run_training
from monai_kd.student_bundle.writing import is_made, write_bundle

__all__ = [
    "Draft",
    "Pair",
    "Request",
    "bundle_commands",
    "is_made",
    "make_draft",
    "opened_teacher",
    "pairs_text",
    "read_names",
    "read_pairs",
    "run_training",
    "write_bundle",
]
