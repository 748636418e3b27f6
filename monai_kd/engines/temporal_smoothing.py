# SPDX-License-Identifier: Apache-2.0
"""Logits of a cine loop, averaged over successive frames of one scene."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from monai.data import MetaTensor, decollate_batch
from monai.inferers import Inferer
from torch import Tensor
from torch.nn import functional

from monai_kd.utils.plain_tensor import plain

__all__ = ["TemporalSmoothingInferer"]

TINY = 1e-3  # norm of an even image's rounding errors
COARSE = 28  # pixels of a side of the compared images: speckle is averaged away, organs stay


class TemporalSmoothingInferer(Inferer):
    r"""
    Run a network on the frames of a loop, and average its logits over the last frames of the same scene.

    .. math:: m_t = \frac{1}{t - b + 1} \sum_{i=b}^{t} z_i, \qquad b = \max(s, t - n + 1)

    Here :math:`z_i` are the logits of frame :math:`i`, :math:`n` is ``frames``, and :math:`s` is the first frame of the
    scene. No later frame is used, so a live loop can be smoothed. A mask lags behind a moving lesion by up to
    :math:`(n - 1) / 2` frames.

    A new scene begins when one of these holds:

    - The image is of another file, or its frame does not follow the last one. This needs the metadata that
      ``LoadUltrasoundd`` gives. A tensor without metadata follows the tensor before it.
    - The image has another size, or a crop of another place.
    - The correlation of two successive images, averaged to 28×28 pixels, is below ``least_correlation``:

    .. math:: \frac{\sum (x_t - \bar x_t)(x_{t-1} - \bar x_{t-1})}
        {\sqrt{\sum (x_t - \bar x_t)^2 \sum (x_{t-1} - \bar x_{t-1})^2}} < r

    Args:
        frames: number of frames to average, at least 1. 1 changes nothing.
        least_correlation: from -1 to 1. Defaults to 0.8. Neighboring slices of synthetic sweeps, 0.6 mm apart, have
            0.97 or more. 99 % of BUS-BRA's images against themselves, moved by 5 % of their width, have 0.81 or more.
            Of the pairs of different images, 0.07 % have more than 0.8.

    Raises:
        ValueError: When an argument is out of its range, or the network does not return one tensor.

    Example:
        >>> inferer = TemporalSmoothingInferer(frames=2)
        >>> frame, other = torch.eye(32)[None, None], torch.eye(32).flip(0)[None, None]
        >>> networks = [lambda image, gain=gain: torch.full((1, 2), float(gain)) for gain in (0, 4, 8)]
        >>> [inferer(frame, network).tolist() for network in networks]
        [[[0.0, 0.0]], [[2.0, 2.0]], [[6.0, 6.0]]]
        >>> inferer(other, networks[0]).tolist()  # another scene
        [[0.0, 0.0]]
    """

    def __init__(self, frames: int = 3, least_correlation: float = 0.8) -> None:
        if frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}. 1 switches the smoothing off.")
        if not -1 <= least_correlation <= 1:
            raise ValueError(f"least_correlation must be from -1 to 1, got {least_correlation}. Take the default, 0.8.")
        super().__init__()
        self.frames, self.least_correlation = frames, least_correlation
        self._logits: deque[Tensor] = deque(maxlen=frames)
        self._last: _Frame | None = None

    def reset(self) -> None:
        """Begin a new scene with the next frame."""
        self._logits.clear()
        self._last = None

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """
        Args:
            inputs: frames in their order, shape (B, C, W, H).
            network: a network, or a function, from ``inputs`` to logits (B, ...).
            args: further arguments of the network.
            kwargs: further keyword arguments of the network.

        Returns:
            The averaged logits, of the shape and type of the network's.
        """
        logits = network(inputs, *args, **kwargs)
        if not isinstance(logits, Tensor):
            kind = type(logits).__name__
            raise ValueError(f"Only logits in one tensor can be averaged, but the network returned a {kind}.")
        averaged = logits.clone()
        images = decollate_batch(inputs) if isinstance(inputs, MetaTensor) else list(inputs)
        for number, image in enumerate(images):
            frame = _Frame.of(image)
            if self._last is None or not frame.follows(self._last, self.least_correlation):
                self._logits.clear()
            self._last = frame
            self._logits.append(plain(logits)[number])
            averaged[number] = torch.stack(tuple(self._logits)).mean(0)
        return averaged


@dataclass(frozen=True)
class _Frame:
    """Where a frame comes from, and what it shows: ``coarse`` has a mean of 0 and, unless it is even, a norm of 1."""

    file: str
    number: int
    size: torch.Size
    affine: Tensor | None
    coarse: Tensor

    @classmethod
    def of(cls, image: Tensor) -> _Frame:
        meta = image.meta if isinstance(image, MetaTensor) else {}
        affine = image.affine if isinstance(image, MetaTensor) else None
        coarse = functional.adaptive_avg_pool2d(plain(image).float()[None], COARSE).flatten()
        coarse -= coarse.mean()
        norm = float(coarse.norm())
        coarse = coarse / norm if norm > TINY else torch.zeros_like(coarse)
        return cls(str(meta.get("filename_or_obj", "")), int(meta.get("frame", -1)), image.shape, affine, coarse)

    def follows(self, last: _Frame, least_correlation: float) -> bool:
        """Whether this frame continues the scene of the last one."""
        if (self.file, self.size) != (last.file, last.size):
            return False
        if self.file and self.number != last.number + 1:
            return False
        if self.affine is not None and last.affine is not None and not torch.equal(self.affine, last.affine):
            return False
        is_even = not self.coarse.any() and not last.coarse.any()
        return is_even or float(self.coarse @ last.coarse) >= least_correlation
