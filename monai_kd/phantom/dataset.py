# SPDX-License-Identifier: Apache-2.0
"""Phantoms as a data set, drawn when needed and never stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.data import Dataset, MetaTensor

from monai_kd.phantom.drawing import draw_phantom
from monai_kd.phantom.settings import PhantomSettings, require_count

CLASSES = ("benign", "malignant", "normal")
"""Pathologies in order of class index."""


class PhantomDataset(Dataset):
    """
    Phantoms as a data set of MONAI-style dictionaries; item ``i`` is the phantom that ``write_phantoms`` writes as ``i
    + 1``.

    Item ``i`` depends only on ``i``, ``seed`` and ``settings``, not on earlier items or the process.

    ============= ==================================================================================
    key           value
    ============= ==================================================================================
    ``image``     MetaTensor (1, W, H), float32, 0 to 255, as ``LoadUltrasoundd`` gives it
    ``label``     MetaTensor (1, W, H), float32, 0 and 1
    ``id``        "000001" for item 0; also ``patient``
    ``pathology`` "benign", "malignant" or "normal"
    ``class``     its index in ``CLASSES``
    ``box``       (2, 2) int64, of the scan in the picture: ``SpatialCrop(roi_start=box[0], roi_end=box[1])``
    ============= ==================================================================================

    The affine of both tensors holds a pixel's width and height in mm.

    Args:
        count: number of phantoms.
        seed: selects the data set, from 0.
        transform: applied to each dictionary. Pictures differ in size, so batches need a ``Resized`` or a crop.
        settings: probe, scanner and more. Defaults to None: the defaults of :class:`PhantomSettings`.

    Raises:
        ValueError: When ``count`` is below 1, or ``seed`` is negative.

    Example:
        >>> dataset = PhantomDataset(100_000, settings=PhantomSettings(scanner="smooth"))
        >>> last = dataset[99_999]
        >>> last["id"], last["image"].shape == last["label"].shape
        ('100000', True)
    """

    def __init__(
        self,
        count: int = 100_000,
        seed: int = 0,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] | None = None,
        settings: PhantomSettings | None = None,
    ) -> None:
        require_count(count, seed)
        super().__init__(data=_Records(count, seed, settings), transform=transform)


class _Records(Sequence[dict[str, Any]]):
    """The data of a ``PhantomDataset``: a sequence that draws its items."""

    def __init__(self, count: int, seed: int, settings: PhantomSettings | None) -> None:
        self.length, self.seed, self.settings = count, seed, settings

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        index = range(self.length)[index]
        drawn = draw_phantom(index + 1, self.seed, self.settings)
        key, pathology = f"{index + 1:06d}", drawn.pathology.lower()
        return {
            "image": _tensor(drawn.image, drawn.spacing, key),
            "label": _tensor(drawn.mask, drawn.spacing, key),
            "id": key,
            "patient": key,
            "pathology": pathology,
            "class": CLASSES.index(pathology),
            "box": torch.tensor(drawn.box).reshape(2, 2),
        }


def _tensor(picture: np.ndarray, spacing: tuple[float, float], key: str) -> MetaTensor:
    """The picture (H, W) as ``LoadUltrasoundd`` gives it: index order (W, H), the same metadata."""
    values = torch.from_numpy(np.ascontiguousarray(picture.T, dtype=np.float32))
    affine = np.diag([spacing[1], spacing[0], 1.0, 1.0])
    meta = {
        "original_affine": affine.copy(),
        "spatial_shape": np.asarray(values.shape),
        "original_channel_dim": float("nan"),
        "filename_or_obj": f"{key}.png",
        "name": key,
        "frame": -1,
    }
    return cast(MetaTensor, MetaTensor(values, affine=torch.from_numpy(affine), meta=meta)[None])
