# SPDX-License-Identifier: Apache-2.0
"""Networks of this project: the student."""

from __future__ import annotations

from monai_kd.networks.student_unet import StudentUNet

__all__ = ["StudentUNet"]
