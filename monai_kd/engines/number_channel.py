# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["with_number_channel"]


def with_number_channel(image: torch.Tensor, numbers: Sequence[float] | torch.Tensor) -> torch.Tensor:
    """
    Append a number to each image as one more constant channel, from BNH[WD] to B(N+1)H[WD], for the teacher to read.

    A :class:`monai_kd.CachedTeacher` looks features up by the image's content, so it caches one entry for each number.

    Example:
        >>> with_number_channel(torch.zeros(2, 1, 1, 2), [3, 4])[:, 1].tolist()
        [[[3.0, 3.0]], [[4.0, 4.0]]]
    """
    channel = torch.as_tensor(numbers).to(image).reshape(-1, *[1] * (image.ndim - 1))
    return torch.cat([image, channel.expand(-1, 1, *image.shape[2:])], dim=1)
