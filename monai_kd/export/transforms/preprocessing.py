# SPDX-License-Identifier: Apache-2.0
"""MONAI's transforms before a network, as steps of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.data import PILReader
from monai.transforms import LoadImaged, NormalizeIntensityd, Resized, ScaleIntensityd, ScaleIntensityRanged
from monai.transforms.utils import resolves_modes
from torch import nn

from monai_kd.export.transforms.steps import Normalize, Resize, ScaleMinMax, ScaleRange
from monai_kd.export.transforms.translate import LOADING, TYPES, refused, transforms_of_key

__all__ = ["Before", "before_network"]


@dataclass(frozen=True)
class Before:
    """
    The pre-processing of a bundle.

    Args:
        steps: in order, for images (B, C, H, W[, D]).
        transposed: whether the network takes (B, C, W, H), as MONAI loads pictures.
    """

    steps: tuple[nn.Module, ...]
    transposed: bool

    @property
    def resize(self) -> Resize | None:
        """The step that changes the size."""
        return next((step for step in self.steps if isinstance(step, Resize)), None)


def before_network(transforms: Sequence[Any], spatial_dims: int, key: str = "image") -> Before:
    """
    Translate a bundle's ``preprocessing`` of ``key``, without loading and changes of type.

    Raises:
        ValueError: When a transform cannot be part of a graph.
    """
    of_image = transforms_of_key(transforms, key)
    loaders = [one for one in of_image if isinstance(one, LOADING)]
    transposed = spatial_dims == 2 and not any(_keeps_rows(one) for one in loaders)
    steps = [_step(one, key, spatial_dims, transposed) for one in of_image if not isinstance(one, LOADING + TYPES)]
    if sum(isinstance(step, Resize) for step in steps) > 1:
        raise refused("a second Resized", "only one size can be undone afterwards")
    return Before(tuple(steps), transposed)


def _keeps_rows(loader: Any) -> bool:
    """Whether a picture is loaded as (C, H, W), where MONAI's default is (C, W, H)."""
    readers = loader._loader.readers if isinstance(loader, LoadImaged) else ()
    return any(isinstance(reader, PILReader) and not reader.reverse_indexing for reader in readers)


def _step(one: Any, key: str, spatial_dims: int, transposed: bool) -> nn.Module:
    if isinstance(one, Resized):
        return _resize(one, one.keys.index(key), spatial_dims, transposed)
    if isinstance(one, NormalizeIntensityd):
        normal = one.normalizer
        if normal.nonzero:
            raise refused("NormalizeIntensityd", "nonzero=True depends on the image's content")
        return Normalize(_numbers(normal.subtrahend), _numbers(normal.divisor), normal.channel_wise, spatial_dims)
    if isinstance(one, ScaleIntensityd) and one.scaler.minv is not None and one.scaler.maxv is not None:
        return ScaleMinMax(one.scaler.minv, one.scaler.maxv, one.scaler.channel_wise, spatial_dims)
    if isinstance(one, ScaleIntensityRanged):
        of = one.scaler
        return ScaleRange(of.a_min, of.a_max, of.b_min, of.b_max, of.clip)
    raise refused(type(one).__name__, "this transform is not supported")


def _numbers(value: Any) -> torch.Tensor | None:
    return None if value is None else torch.as_tensor(value, dtype=torch.float32)


def _resize(one: Any, place: int, spatial_dims: int, transposed: bool) -> Resize:
    of = one.resizer
    size = of.spatial_size
    mode, align = one.mode[place], one.align_corners[place]
    fixed = isinstance(size, list | tuple) and len(size) == spatial_dims and all(int(side) > 0 for side in size)
    if of.size_mode != "all" or not fixed:
        raise refused("Resized", f"its size {size!r} ({of.size_mode}) depends on the image")
    if one.anti_aliasing[place]:
        raise refused("Resized", "anti_aliasing=True smooths by an amount that depends on the image")
    name = resolves_modes(mode, torch_interpolate_spatial_nd=spatial_dims)[1]
    if name not in ("area", "bicubic", "bilinear", "linear", "nearest", "trilinear"):
        raise refused("Resized", f"its mode {mode!r} is not in ONNX")
    # All steps but the network treat both axes alike, so they run in the order of the caller's pixels.
    return Resize([int(side) for side in (size[::-1] if transposed else size)], str(name), align)
