# SPDX-License-Identifier: Apache-2.0
"""
From a student to the device it runs on: ONNX, INT8, OpenVINO and TorchScript with pre- and post-processing inside.

==================== ====================================================================================
``open_bundle``      the inference config of any bundle, with the values its network was trained with
``export_student``   write the forms, each checked against the bundle itself
``open_export``      what was written, for running and comparing it
==================== ====================================================================================
"""

from __future__ import annotations

from monai_kd.bundle.open_bundle import Bundle, open_bundle
from monai_kd.export.export_folder import Exported, open_export
from monai_kd.export.export_student import Options, export_student
from monai_kd.export.runners import FORMS, load_form
from monai_kd.export.sample_images import DataSet

__all__ = [
    "FORMS",
    "Bundle",
    "DataSet",
    "Exported",
    "Options",
    "export_student",
    "load_form",
    "open_bundle",
    "open_export",
]
