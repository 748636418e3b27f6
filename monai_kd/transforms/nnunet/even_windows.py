# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from scipy.ndimage import gaussian_filter
from torch.nn import functional

__all__ = ["EvenWindowInferer"]


class EvenWindowInferer(SlidingWindowInferer):
    """
    MONAI's sliding window with nnU-Net's places: windows of equal distance, the first and the last at the borders.

    MONAI's own windows have the same distance everywhere but before the last. A well trained network gives nearly the
    same masks by both; this one gives those of nnU-Net v2. Overlapping windows are averaged with nnU-Net's Gaussian
    weights. Images smaller than a window get zeros on both sides. A window of two axes sees a volume slice by slice,
    along its first axis.

    Source: Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation",
    Nature Methods 18, 2021, doi 10.1038/s41592-020-01008-z.

    Args:
        roi_size: of a window, in pixels, along each axis or all but the first.
        sw_batch_size: windows that the network sees at once.
        overlap: least overlap of neighbors, as a part of the window. Defaults to 0.5, nnU-Net's.

    Example:
        >>> inferer = EvenWindowInferer(roi_size=(4, 4))
        >>> inferer(torch.ones(2, 1, 9, 3), torch.nn.Identity()).shape
        torch.Size([2, 1, 9, 3])
    """

    def __init__(self, roi_size: Sequence[int], sw_batch_size: int = 1, overlap: float = 0.5) -> None:
        super().__init__(roi_size=tuple(roi_size), sw_batch_size=sw_batch_size, overlap=overlap, mode="gaussian")
        self.window = tuple(int(side) for side in roi_size)
        self.step = 1 - overlap

    def __call__(  # type: ignore[override]
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """
        Args:
            inputs: shape BCH[WD].
            network: gives one map of the size of its window.
            args: of the network.
            kwargs: of the network.

        Returns:
            Shape BNH[WD].
        """
        if inputs.ndim - 2 == len(self.window) + 1:  # slices of a volume
            slices = inputs.transpose(1, 2).flatten(0, 1)
            answer = self(slices, network, *args, **kwargs)
            return answer.unflatten(0, (len(inputs), -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
        short = [max(window - side, 0) for window, side in zip(self.window, inputs.shape[2:], strict=True)]
        image = functional.pad(inputs, [part for lack in reversed(short) for part in (lack // 2, lack - lack // 2)])
        starts = [self._starts(side, window) for side, window in zip(image.shape[2:], self.window, strict=True)]
        places = [self._place(number, start) for number, *start in itertools.product(range(len(image)), *starts)]
        answer = self._joined(image, places, lambda windows: network(windows, *args, **kwargs))
        for axis, (lack, side) in enumerate(zip(short, inputs.shape[2:], strict=True), start=2):
            answer = answer.narrow(axis, lack // 2, side)
        return answer

    def _place(self, number: int, start: Sequence[int]) -> tuple[slice, ...]:
        window = (slice(first, first + side) for first, side in zip(start, self.window, strict=True))
        return (slice(number, number + 1), slice(None), *window)

    def _joined(
        self, image: torch.Tensor, places: list[tuple[slice, ...]], run: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        weight = _gaussian(self.window).to(image)
        total = image.new_zeros((len(image), 1, *image.shape[2:]))
        answer = torch.empty(0)
        for first in range(0, len(places), self.sw_batch_size):
            chosen = places[first : first + self.sw_batch_size]
            maps = run(torch.cat([image[place] for place in chosen]))
            if not first:
                answer = maps.new_zeros((len(image), maps.shape[1], *image.shape[2:]))
            for place, found in zip(chosen, maps, strict=True):
                answer[place] += found * weight
                total[place] += weight
        return answer / total

    def _starts(self, side: int, window: int) -> list[int]:
        count = math.ceil((side - window) / (window * self.step)) + 1
        return [round((side - window) / (count - 1) * number) for number in range(count)] if count > 1 else [0]


def _gaussian(window: tuple[int, ...]) -> torch.Tensor:
    """Weights that fall from 10 in the middle, with a standard deviation of an eighth of the window; never 0."""
    middle = torch.zeros(window, dtype=torch.float64)
    middle[tuple(side // 2 for side in window)] = 1
    weight = torch.from_numpy(gaussian_filter(middle.numpy(), [side / 8 for side in window], mode="constant"))
    weight = (weight * (10 / weight.max())).half().float()
    return weight.where(weight > 0, weight[weight > 0].min())
