# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.transforms import InvertibleTransform, MapTransform
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from monai_kd.transforms.nnunet.normalization import normalize
from monai_kd.transforms.nnunet.resampling import coarse_axis, new_shape, resample, resample_labels

__all__ = ["NnUnetPreprocessd"]

ACROSS = 999.0  # between the slices of a picture, which has one


class NnUnetPreprocessd(MapTransform, InvertibleTransform):
    """
    What nnU-Net v2 does to a case before its network sees it: turn axes, crop, normalize, resample.

    Axes come in the order (z, y, x) of the file, turned as the plans say; a picture becomes a volume of one slice. The
    image is cropped to what is not 0 in any channel, normalized, and resampled with cubic splines, label maps linearly
    class by class. ``Invertd`` brings logits back to the file's grid: resampled linearly, 0 outside of the crop.

    Source: Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation",
    Nature Methods 18, 2021, doi 10.1038/s41592-020-01008-z.

    Args:
        keys: image and label map; the image decides the crop.
        spacing: of the plans, in mm: three numbers, or two, which leave the distance between slices as it is.
        normalization: what :func:`normalize` takes, for each channel.
        transpose: the plans' ``transpose_forward``.
        allow_missing_keys: go without the label map.

    Raises:
        ValueError: At the call, when an image has more or fewer channels than the plans, or the shape of the label is
            not that of the image.

    Example:
        >>> image = MetaTensor(torch.rand(1, 8, 6, 4), affine=torch.diag(torch.tensor([1.0, 1.0, 2.0, 1.0])))
        >>> plans = {"spacing": (1.0, 1.0, 1.0), "normalization": [{"scheme": "ZScoreNormalization"}]}
        >>> transform = NnUnetPreprocessd(["image"], **plans)
        >>> done = transform({"image": image})
        >>> tuple(done["image"].shape), tuple(transform.inverse(done)["image"].shape)
        ((1, 8, 6, 8), (1, 8, 6, 4))
    """

    def __init__(
        self,
        keys: KeysCollection,
        spacing: Sequence[float],
        normalization: Sequence[Mapping[str, Any]],
        transpose: Sequence[int] = (0, 1, 2),
        image_key: str = "image",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing, self.transpose = tuple(spacing), tuple(transpose)
        self.normalization = [dict(how) for how in normalization]
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: image and label map as MONAI's ``LoadImaged`` gives them, channel first, shape CHW[D].

        Returns:
            The same with volumes of shape (C, D, H, W), on the plans' grid.
        """
        d = dict(data)
        image = d[self.image_key]
        volume = self._turned(image)
        if len(volume) != len(self.normalization):
            raise ValueError(
                f"'{_name(image)}' has {len(volume)} channels, and nnU-Net's plans are for {len(self.normalization)}. "
                "Give the files <case>_0000, <case>_0001 … of every channel."
            )
        box, mask = _not_zero(volume)
        spacing = self._file_spacing(image)
        cropped = volume[(slice(None), *box)]
        target = self.spacing if len(self.spacing) == 3 else (spacing[0], *self.spacing)
        shape, axis = new_shape(cropped.shape[1:], spacing, target), coarse_axis(spacing, target)
        done = {
            "shape": list(volume.shape[1:]),
            "box": [[side.start, side.stop] for side in box],
            "axis": -1 if (back := coarse_axis(target, spacing)) is None else back,
            "dims": image.ndim - 1,
            "affine": image.affine.tolist(),
        }
        for key in self.key_iterator(d):
            if key == self.image_key:
                parts = zip(cropped, self.normalization, strict=True)
                array = resample(np.stack([normalize(part, mask, how) for part, how in parts]), shape, axis, 3)
            else:
                label = self._turned(d[key])
                self._require_same(label, volume, d[key])
                array = resample_labels(label[(slice(None), *box)], shape, axis)
            d[key] = self._tracked(array, d[key], done)
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: logits or scores, shape (C, D, H, W), on the grid that this transform made.

        Returns:
            The same on the file's grid, shape CHW[D].
        """
        d = dict(data)
        for key in self.key_iterator(d):
            done = self.pop_transform(d[key])["extra_info"]
            box = tuple(slice(start, stop) for start, stop in done["box"])
            cropped = [side.stop - side.start for side in box]
            array = d[key].detach().cpu().as_subclass(torch.Tensor).float().numpy()
            whole = np.zeros((len(array), *done["shape"]), dtype=np.float32)
            whole[(slice(None), *box)] = resample(array, cropped, None if done["axis"] < 0 else done["axis"], 1)
            turned = whole.transpose(0, *(int(axis) + 1 for axis in np.argsort(self.transpose)))
            turned = turned.transpose(0, 3, 2, 1) if done["dims"] == 3 else turned[:, 0].transpose(0, 2, 1)
            result = MetaTensor(torch.from_numpy(np.ascontiguousarray(turned)), meta=d[key].meta)
            result.affine = torch.tensor(done["affine"], dtype=torch.float64)
            result.applied_operations = d[key].applied_operations
            d[key] = result.to(d[key].device)
        return d

    def _turned(self, image: MetaTensor) -> NDArray[np.float32]:
        """A file's content, shape CHW[D], with nnU-Net's order of axes."""
        array = image.detach().cpu().as_subclass(torch.Tensor).float().numpy()
        array = array.transpose(0, 3, 2, 1) if array.ndim == 4 else array.transpose(0, 2, 1)[:, None]
        return array.transpose(0, *(axis + 1 for axis in self.transpose))

    def _file_spacing(self, image: MetaTensor) -> tuple[float, ...]:
        count = image.ndim - 1
        sides = [float(side) for side in affine_to_spacing(image.affine, r=count)][::-1]
        sides = sides if count == 3 else [max(sides) * ACROSS, *sides]
        return tuple(sides[axis] for axis in self.transpose)

    def _require_same(self, label: NDArray, volume: NDArray, given: MetaTensor) -> None:
        if label.shape[1:] != volume.shape[1:] or len(label) != 1:
            raise ValueError(
                f"The label '{_name(given)}' has shape {label.shape} (channels, z, y, x), and its image "
                f"{volume.shape[1:]}. Give one label map of the image's size."
            )

    def _tracked(self, array: NDArray, given: MetaTensor, done: dict[str, Any]) -> MetaTensor:
        meta = {key: value for key, value in given.meta.items() if key != "affine"}  # which the new grid does not have
        result = MetaTensor(torch.from_numpy(np.ascontiguousarray(array)), affine=torch.eye(4), meta=meta)
        result.applied_operations = given.applied_operations
        self.push_transform(result, extra_info=done)  # type: ignore[no-untyped-call]
        return result


def _not_zero(volume: NDArray[np.float32]) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    """The box around what is not 0 in any channel, and that part in the box, with its holes filled."""
    mask = binary_fill_holes((volume != 0).any(axis=0))
    if not mask.any():
        return tuple(slice(0, side) for side in mask.shape), mask
    found = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(int(places[0]), int(places[-1]) + 1) for places in found)
    return box, mask[box]


def _name(image: MetaTensor) -> str:
    return str(image.meta.get("filename_or_obj", "The image"))
