# SPDX-License-Identifier: Apache-2.0
"""Synthetic breast ultrasound with lesion masks, for trying everything out without any patient's image."""

from __future__ import annotations

from monai_kd.data.phantom.consoles import SCANNERS
from monai_kd.data.phantom.drawing import Phantom, draw_phantom, phantom
from monai_kd.data.phantom.settings import PhantomSettings
from monai_kd.data.phantom.writing import write_phantoms

__all__ = ["SCANNERS", "Phantom", "PhantomSettings", "draw_phantom", "phantom", "write_phantoms"]
