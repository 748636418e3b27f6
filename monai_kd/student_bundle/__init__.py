# SPDX-License-Identifier: Apache-2.0
"""Make a bundle in which a student learns from the network of any MONAI bundle, with that bundle's own training."""

from monai_kd.student_bundle.bundle_draft import Draft, Request, make_draft
from monai_kd.student_bundle.layer_pairs import Pair, pairs_text, read_names, read_pairs
from monai_kd.student_bundle.nnunet.teacher_bundle import opened_teacher
from monai_kd.student_bundle.training_commands import bundle_commands, run_training
from monai_kd.student_bundle.write_bundle import is_made, write_bundle

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
