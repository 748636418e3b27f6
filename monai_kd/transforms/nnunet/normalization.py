# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's normalization schemes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCHEMES", "normalize"]

SMALLEST = 1e-8  # standard deviation
SCHEMES = (
    "ZScoreNormalization",
    "CTNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
    "NoNormalization",
)


def normalize(channel: NDArray[np.float32], mask: NDArray[np.bool_], how: Mapping[str, Any]) -> NDArray[np.float32]:
    """
    One channel of an image as nnU-Net's networks see it.

    Args:
        channel: any shape, cropped to what is not 0.
        mask: where the image is not 0, holes filled.
        how: "scheme" (one of :data:`SCHEMES`); "use_mask" for ``ZScoreNormalization``; "mean", "std", "percentile_00_5"
            and "percentile_99_5" of the training images for ``CTNormalization``.

    Raises:
        ValueError: When the scheme is unknown.

    Example:
        >>> image = np.array([0.0, 50.0, 100.0], dtype=np.float32)
        >>> normalize(image, image > 0, {"scheme": "RescaleTo01Normalization"}).tolist()
        [0.0, 0.5, 1.0]
    """
    scheme = how["scheme"]
    if scheme == "ZScoreNormalization":
        return _z_score(channel, mask if how.get("use_mask") else np.ones_like(mask))
    if scheme == "CTNormalization":
        clipped = np.clip(channel, how["percentile_00_5"], how["percentile_99_5"])
        return ((clipped - how["mean"]) / max(how["std"], SMALLEST)).astype(np.float32)
    if scheme == "RescaleTo01Normalization":
        lowered = channel - channel.min()
        return lowered / max(lowered.max(), np.float32(SMALLEST))
    if scheme == "RGBTo01Normalization":
        return channel / np.float32(255)
    if scheme == "NoNormalization":
        return channel
    raise ValueError(f"No normalization scheme '{scheme}'. Known: {', '.join(SCHEMES)}.")


def _z_score(channel: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    inside = channel[mask]
    result = channel.copy()
    result[mask] = (inside - inside.mean()) / max(inside.std(), np.float32(SMALLEST))
    return result
