# SPDX-License-Identifier: Apache-2.0
"""Transforms that MONAI lacks.

================== ==================================================================================
transform          what it does
================== ==================================================================================
``CropMargins``    cuts an image down to its ultrasound picture; ``CropMarginsd`` for dictionaries
``scan_area``      where an image is picture, and not margin, text or scale bar
================== ==================================================================================
"""

from __future__ import annotations

from monai_kd.transforms.crop_margins import CropMargins, CropMarginsd, scan_area

__all__ = ["CropMargins", "CropMarginsd", "scan_area"]
