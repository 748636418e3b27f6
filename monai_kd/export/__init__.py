# SPDX-License-Identifier: Apache-2.0
"""
Export of a student as ONNX, INT8, OpenVINO and TorchScript, with pre- and post-processing inside.

==================== ====================================================================================
``open_bundle``      the inference config of any bundle, with the values its network was trained with
``export_student``   writes the forms, and checks each against the bundle
``open_export``      opens an export, to run and compare its forms
==================== ====================================================================================
"""

from __future__ import annotations

from monai_kd.bundle.opened import Bundle, open_bundle
from monai_kd.export.folder import Exported, open_export
from monai_kd.export.images import DataSet
from monai_kd.export.runners import FORMS, load_form
from monai_kd.export.student import Options, export_student

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
