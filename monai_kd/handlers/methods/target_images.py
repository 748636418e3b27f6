# SPDX-License-Identifier: Apache-2.0
"""Random images beside the training data, the same in a resumed run."""

from __future__ import annotations

from typing import Any

import torch
from monai.data.utils import list_data_collate
from monai.transforms import Randomizable
from torch.utils.data import Dataset

from monai_kd.utils.plain_tensor import plain
from monai_kd.utils.processes import rank

__all__ = ["TargetImages"]


class TargetImages:
    """
    Random batches of any size from a data set; every image comes once before any is repeated.

    Args:
        dataset: of dictionaries with "image"; the training data must not share its random transforms.

    Raises:
        ValueError: When the data set is empty; at a draw, when a sample has no image.

    Example:
        >>> images = TargetImages([{"image": torch.full((1, 2, 2), float(i))} for i in range(3)])
        >>> images.restart()
        >>> sorted(images.draw(3)[:, 0, 0, 0].tolist())
        [0.0, 1.0, 2.0]
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        if not len(dataset):  # type: ignore[arg-type]
            raise ValueError("The data set of target images is empty. Give unlabelled images of the target domain.")
        self.dataset = dataset
        self._generator = torch.Generator()
        self._order: list[int] = []

    def restart(self) -> None:
        """Begin a new random order, and seed the data set's random transforms, from torch's global generator."""
        seed = int(torch.randint(2**31, ())) + rank()
        self._generator.manual_seed(seed)
        self._order = []
        transform = getattr(self.dataset, "transform", None)
        if isinstance(transform, Randomizable):
            transform.set_random_state(seed=seed)

    def draw(self, count: int) -> torch.Tensor:
        """The next ``count`` images, shape BNH[WD]."""
        while len(self._order) < count:
            self._order += torch.randperm(len(self.dataset), generator=self._generator).tolist()  # type: ignore[arg-type]
        drawn, self._order = self._order[:count], self._order[count:]
        samples = [self.dataset[index] for index in drawn]
        if not isinstance(samples[0], dict) or "image" not in samples[0]:
            held = sorted(samples[0]) if isinstance(samples[0], dict) else type(samples[0]).__name__
            raise ValueError(f"A target sample holds {held}, expected a dictionary with 'image'. Rename its keys.")
        image: torch.Tensor = plain(list_data_collate([{"image": sample["image"]} for sample in samples])["image"])
        return image
