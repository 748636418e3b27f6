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

from monai_kd.bundle.opened import Bundle, open_bundle
from monai_kd.export.folder import Exported, open_export
from monai_kd.export.images import BundleData, DataSet
from monai_kd.export.runners import FORMS, load_form
from monai_kd.export.student import Options, export_student
from monai_kd.export.windows import why_alone

__all__ = [
    "FORMS",
    "Bundle",
    "BundleData",
    "DataSet",
    "Exported",
    "Options",
    "export_student",
    "load_form",
    "open_bundle",
    "open_export",
    "why_alone",
]
