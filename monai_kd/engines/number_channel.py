# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["with_number_channel"]


def with_number_channel(image: torch.Tensor, numbers: Sequence[float] | torch.Tensor) -> torch.Tensor:
    """
    Tell the teacher a number about each image, as one more channel of the same value everywhere.

    So a :class:`monai_kd.CachedTeacher`, which finds answers by the image's content, keeps an answer for each number.

    Args:
        image: shape BNH[WD].
        numbers: one for each image.

    Returns:
        Shape B(N+1)H[WD].

    Example:
        >>> with_number_channel(torch.zeros(2, 1, 1, 2), [3, 4])[:, 1].tolist()
        [[[3.0, 3.0]], [[4.0, 4.0]]]
    """
    channel = torch.as_tensor(numbers).to(image).reshape(-1, *[1] * (image.ndim - 1))
    return torch.cat([image, channel.expand(-1, 1, *image.shape[2:])], dim=1)
