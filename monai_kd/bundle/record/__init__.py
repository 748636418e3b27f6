# SPDX-License-Identifier: Apache-2.0
"""
The record of a training in its checkpoint: the network's definition, the size of the images, how they were cut, and
which they were.

===================== ======================================================================
``training_record``   what a training config gives its checkpoint saver
``load_record``       the record in a file
``recorded_settings`` the values by id with which a config builds the network of a checkpoint
``use_records``       sets these values in the config that runs
``seen_images``       digests of the images of a training, for its record
``require_unseen``    refuses to score a network on such images
===================== ======================================================================
"""

from __future__ import annotations

from monai_kd.bundle.record.seen_images import require_out_of_fold, require_unseen, seen_images
from monai_kd.bundle.record.training_record import NETWORK, load_record, training_record
from monai_kd.bundle.record.use_records import recorded_settings, use_records

__all__ = [
    "NETWORK",
    "load_record",
    "recorded_settings",
    "require_out_of_fold",
    "require_unseen",
    "seen_images",
    "training_record",
    "use_records",
]
