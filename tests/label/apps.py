# SPDX-License-Identifier: Apache-2.0
"""An app with tiny networks, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import UNet

from monai_kd.label.install import install
from monai_kd.networks import StudentUNet
from tests.bundles.conftest import unet
from tests.label.conftest import ROOT

BUNDLE = ROOT / "bundles" / "breast_ultrasound_segmentation"
TINY: dict[str, Any] = {"spatial_size": [32, 32], "student_channels": [2, 4, 4], "teacher_def": unet(4, 4, 6, 6)}


def weights(folder: Path) -> dict[str, Path]:
    """Untrained weights of both networks, as files; the student finds a lesion in half of a noisy image."""
    torch.manual_seed(0)
    student = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(2, 4, 4))
    teacher = UNet(2, 1, 2, (4, 4, 6, 6), strides=(2, 2, 2), num_res_units=2, norm="INSTANCE")
    with torch.no_grad():
        background, lesion = student.eval()(torch.randn(1, 1, 32, 32))[0]
        student.head.bias[0] += (lesion - background).median()
    paths = {"student": folder / "student.pt", "teacher": folder / "teacher.pt"}
    for network, path in zip((student, teacher), paths.values(), strict=True):
        torch.save({"model": network.state_dict()}, path)
    return paths


def tiny_app(folder: Path) -> Path:
    """An app's folder."""
    app = folder / "app"
    install(app, BUNDLE, **weights(folder), **TINY)
    return app
