# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.engines.utils import default_prepare_batch
from torch import nn

from monai_kd.teachers import LiveTeacher

__all__ = ["PrepareTeacherFeature"]


class PrepareTeacherFeature(PrepareBatch):
    """
    A ``prepare_batch`` that gives a teacher's feature as input and as target, to train an auto-encoder of it.

    It works with any of MONAI's trainers and evaluators.

    Args:
        teacher: a trained network; it is frozen, and moved to the device of the batch.
        layer: module name of the teacher's layer; ``""`` is its output.

    Raises:
        ValueError: When the layer does not exist; at the call, when the batch is no dictionary.

    Example:
        >>> import torch
        >>> prepare = PrepareTeacherFeature(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU()), layer="0")
        >>> feature, target = prepare({"image": torch.rand(2, 1, 8, 8)})
        >>> tuple(feature.shape), target is feature, feature.requires_grad
        ((2, 4, 6, 6), True, False)
    """

    def __init__(self, teacher: nn.Module, layer: str) -> None:
        self._teacher = LiveTeacher(teacher, [layer])
        self.layer = layer

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            batchdata: holds "image", of shape BNH[WD].
            device: device of the teacher and the result.
            non_blocking: as in ``torch.Tensor.to``.
            kwargs: further arguments of ``torch.Tensor.to``.

        Returns:
            The feature, shape BMH[WD], twice.
        """
        if not isinstance(batchdata, dict):
            raise ValueError(
                f"PrepareTeacherFeature got a {type(batchdata).__name__}, expected a dictionary with 'image'. "
                "Let the data set give dictionaries."
            )
        image = default_prepare_batch({"image": batchdata["image"]}, device, non_blocking, **kwargs)[0]
        # Opened for this call only, so that no hook is left however the run ends.
        with self._teacher.to(image.device) as teacher:
            feature = teacher(image)[self.layer]
        return feature, feature
