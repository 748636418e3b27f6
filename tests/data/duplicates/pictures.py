# SPDX-License-Identifier: Apache-2.0
"""Pictures that differ from each other at every scale, and copies of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIZE = (160, 120)


def tissue(seed: int) -> np.ndarray:
    """Gray values (W, H), uint8: layers and spots of all sizes, darker with depth."""
    random = np.random.default_rng(seed)
    total = np.zeros(SIZE, dtype=np.float32)
    for squares in (3, 6, 12, 24):
        field = Image.fromarray(random.normal(0, 1, (squares, squares)).astype(np.float32))
        total += np.asarray(field.resize(SIZE[::-1], Image.Resampling.BICUBIC))
    depth = np.linspace(40, -40, SIZE[1])
    return np.clip(120 + 22 * total + depth, 0, 255).astype(np.uint8)


def jpeg(values: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def resized(values: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize((97, 131), Image.Resampling.BILINEAR))


def brighter(values: np.ndarray) -> np.ndarray:
    return np.clip(values.astype(float) * 1.2 + 15, 0, 255).astype(np.uint8)


def cropped(values: np.ndarray) -> np.ndarray:
    return values[5:-3, 2:-4]


def captioned(values: np.ndarray) -> np.ndarray:
    marked = values.copy()
    marked[10:34, 100:104] = 255
    return marked


COPIES = [jpeg, resized, brighter, cropped, captioned]
