# SPDX-License-Identifier: Apache-2.0
"""DICOM images with all that a result refers to, and masks with the metadata of such an image."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

pytest.importorskip("highdicom")
EXAMPLE = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "examples" / "ultrasound_loop.py"))
STILL, CT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.2"
PLACE = {
    "FrameOfReferenceUID": "1.2.3.4",
    "ImagePositionPatient": [10.0, 20.0, 30.0],
    "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 0.6, 0.8],
    "PixelSpacing": [0.3, 0.2],
}


def write_image(path: Path, frames: int = 1, size: tuple[int, int] = (7, 5), **elements: Any) -> Any:
    """
    Write an ultrasound image, or a loop, of random gray values, and return its data set.

    Args:
        frames: of a loop; 1 for a still image.
        size: width and height.
        elements: to set by their keywords; None removes one.
    """
    values = np.random.default_rng(0).integers(20, 220, (frames, *size[::-1]), dtype=np.uint8)
    made = EXAMPLE["ultrasound_loop"](values)
    if frames == 1:
        made.SOPClassUID = STILL
        for name in ("NumberOfFrames", "FrameTime", "FrameIncrementPointer"):
            delattr(made, name)
    for name, value in elements.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    made.save_as(path, write_like_original=False)
    return made


def random_masks(image: Path, frames: int = 1, size: tuple[int, int] = (7, 5), classes: int = 1) -> list[MetaTensor]:
    """Masks (1, W, H) of all frames, as they leave an inference."""
    values = torch.from_numpy(np.random.default_rng(1).integers(0, classes + 1, (frames, 1, *size), dtype=np.uint8))
    names = [f"{image.stem}_frame{frame:03}" for frame in range(frames)] if frames > 1 else [image.stem]
    return [
        MetaTensor(values[k], meta={"filename_or_obj": str(image), "name": name, "frame": k if frames > 1 else -1})
        for k, name in enumerate(names)
    ]
