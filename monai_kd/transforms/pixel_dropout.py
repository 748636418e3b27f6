# SPDX-License-Identifier: Apache-2.0
"""Dropout of single pixels; MONAI's own dropout removes boxes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.data.meta_obj import get_track_meta
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import TransformBackends, convert_to_tensor

__all__ = ["RandPixelDropout", "RandPixelDropoutd", "drop_pixels"]


def drop_pixels(
    image: torch.Tensor, share: torch.Tensor | float, fill_value: float, generator: torch.Generator
) -> torch.Tensor:
    """
    Set a random share of the pixels to one value, the same in all channels.

    Args:
        image: shape BNH[WD].
        share: of the pixels, 0 to 1; one number, or shape (B,).
        generator: source of the random numbers, on the image's device.

    Returns:
        A new tensor of the same shape.
    """
    threshold = torch.as_tensor(share, device=image.device).reshape(-1, *[1] * (image.ndim - 1))
    drawn = torch.rand((len(image), 1, *image.shape[2:]), generator=generator, device=image.device)
    return image.masked_fill(drawn < threshold, fill_value)


class RandPixelDropout(RandomizableTransform):
    """
    Set random pixels of an image to one value, the same in all channels (like Albumentations' ``PixelDropout``).

    Args:
        prob: probability that an image is changed, 0 to 1.
        dropout_prob: share of the pixels that are set in a changed image, 0 to 1.
        fill_value: gray value of these pixels.

    Example:
        >>> image = RandPixelDropout(prob=1.0, dropout_prob=0.2).set_random_state(seed=0)(torch.ones(1, 100, 100))
        >>> round(1 - image.mean().item(), 1)
        0.2
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, prob: float = 0.1, dropout_prob: float = 0.01, fill_value: float = 0.0) -> None:
        RandomizableTransform.__init__(self, prob)
        self.dropout_prob = dropout_prob
        self.fill_value = fill_value
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to change the next image, and where; ``data`` is ignored."""
        super().randomize(None)
        self._seed = int(self.R.randint(np.iinfo(np.uint32).max, dtype=np.uint32))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> torch.Tensor:
        """
        Set the pixels.

        Args:
            img: shape (C, W, H[, D]).
            randomize: whether to draw new random numbers.
        """
        image: torch.Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        if randomize:
            self.randomize()
        if not self._do_transform:
            return image
        generator = torch.Generator(image.device).manual_seed(self._seed)
        return drop_pixels(image[None], self.dropout_prob, self.fill_value, generator)[0]


class RandPixelDropoutd(RandomizableTransform, MapTransform):
    """
    Dictionary form of :class:`RandPixelDropout`: images of the same size lose the same pixels.

    Args:
        prob: probability that the images are changed, 0 to 1.
        dropout_prob: share of the pixels that are set in changed images, 0 to 1.
        fill_value: gray value of these pixels.
        allow_missing_keys: skip keys that a record lacks.

    Example:
        >>> dropout = RandPixelDropoutd(["image", "other"], prob=1.0, dropout_prob=0.5)
        >>> result = dropout({"image": torch.ones(1, 8, 8), "other": torch.ones(1, 8, 8)})
        >>> torch.equal(result["image"], result["other"])
        True
    """

    backend = RandPixelDropout.backend

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 0.1,
        dropout_prob: float = 0.01,
        fill_value: float = 0.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.dropper = RandPixelDropout(1.0, dropout_prob, fill_value)

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandPixelDropoutd:
        """Seed the random numbers; see ``monai.transforms.Randomizable``."""
        super().set_random_state(seed, state)
        self.dropper.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, NdarrayOrTensor]) -> dict[Hashable, NdarrayOrTensor]:
        """Set the pixels of all keys in a record."""
        record = dict(data)
        self.randomize(None)
        self.dropper.randomize()
        for key in self.key_iterator(record):
            if self._do_transform:
                record[key] = self.dropper(record[key], randomize=False)
            else:
                record[key] = convert_to_tensor(record[key], track_meta=get_track_meta())
        return record
