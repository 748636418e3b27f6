# SPDX-License-Identifier: Apache-2.0
"""
The record of a training in its checkpoint: the network's definition, the size of the images, and how they were cut.

===================== ======================================================================
``training_record``   what a training config gives its checkpoint saver
``load_record``       the record in a file
``recorded_settings`` the values by id with which a config builds the network of a checkpoint
``use_records``       sets these values in the config that runs
===================== ======================================================================
"""

from __future__ import annotations

from monai_kd.bundle.record.training_record import NETWORK, load_record, training_record
from monai_kd.bundle.record.use_records import recorded_settings, use_records

__all__ = ["NETWORK", "load_record", "recorded_settings", "training_record", "use_records"]
