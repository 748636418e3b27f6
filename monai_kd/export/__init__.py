# SPDX-License-Identifier: Apache-2.0
"""
Export of a student for a device, with pre- and post-processing inside; ``forms`` has a file for each kind.

==================== ====================================================================================
``open_bundle``      the inference config of any bundle, with the values its network was trained with
``export_student``   writes the forms, and checks each against the bundle
``open_export``      opens an export, to run and compare its forms
==================== ====================================================================================
"""

from __future__ import annotations

from monai_kd.bundle.open_bundle import Bundle, open_bundle
from monai_kd.export.export_folder import Exported, open_export
from monai_kd.export.export_student import Options, export_student
from monai_kd.export.forms import FORMS, load_form
from monai_kd.export.sample_images import BundleData, DataSet
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
