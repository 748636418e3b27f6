# SPDX-License-Identifier: Apache-2.0
"""Teachers: a network that runs on every batch, one whose features are cached or stored, and loading of weights."""

from monai_kd.teachers.as_teacher import as_teacher
from monai_kd.teachers.cached_teacher import CachedTeacher
from monai_kd.teachers.live_teacher import LiveTeacher
from monai_kd.teachers.load_arrays import load_arrays
from monai_kd.teachers.load_weights import load_weights
from monai_kd.teachers.mixed_teacher import MixedTeacher
from monai_kd.teachers.soft_targets import LoadSoftTargetd, SoftTargets
from monai_kd.teachers.stored_teacher import StoredTeacher

__all__ = [
    "CachedTeacher",
    "LiveTeacher",
    "LoadSoftTargetd",
    "MixedTeacher",
    "SoftTargets",
    "StoredTeacher",
    "as_teacher",
    "load_arrays",
    "load_weights",
]
