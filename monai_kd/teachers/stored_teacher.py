# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from monai_kd.teachers.live_teacher import LiveTeacher
from monai_kd.utils.plain_tensor import plain

__all__ = ["StoredTeacher"]


class StoredTeacher(LiveTeacher):
    """
    A teacher whose logits lie in the batch: no network runs in training.

    The trainer's ``teacher_image`` names the key in the batch. :class:`SoftTargets` makes the logits, and
    :class:`LoadSoftTargetd` adds them to each case, so that crops and flips move them along with the image.

    Example:
        >>> with StoredTeacher() as teacher:
        ...     features = teacher(torch.zeros(1, 2, 4, 4))
        >>> features[""].shape
        torch.Size([1, 2, 4, 4])
    """

    def __init__(self) -> None:
        super().__init__(nn.Identity(), [""])

    def __call__(self, image: torch.Tensor, inferer: Callable[..., Any] | None = None) -> dict[str, torch.Tensor]:
        """
        Args:
            image: the stored logits of the batch, shape BNH[WD].
            inferer: not used.

        Returns:
            The logits by the name of the output, ``""``.
        """
        return {"": plain(image).float()}
