# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from monai_kd.teachers.cached_teacher import CachedTeacher
from monai_kd.transforms.mix_up import mix_logits, mix_up
from monai_kd.utils.plain_tensor import plain

__all__ = ["MixedTeacher"]


class MixedTeacher(CachedTeacher):
    r"""
    A cached teacher whose predictions for two images are mixed as the images are.

    .. math:: z'_i = \log\big(\lambda_i\,\mathrm{softmax}(z_i) + (1 - \lambda_i)\,\mathrm{softmax}(z_{B-1-i})\big)

    This is mixup with the teacher's probabilities in place of labels: the target is linear between two images. It is
    not function matching, in which a live teacher predicts the mixture itself
    (``PrepareBatchMixUp(mixed_teacher=True)``). Probabilities are mixed before any temperature; hidden features are
    mixed as the images are.

    Source: Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412.

    Args:
        network, layers, folder, device, dtype, in_memory: as in :class:`CachedTeacher`.

    Raises:
        ValueError: As :class:`CachedTeacher`; at the call, when the image's last channel holds no factor.

    Example:
        >>> image, factor = torch.rand(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
        >>> with MixedTeacher(torch.nn.Conv2d(1, 2, 1), layers=[""]) as teacher:
        ...     mixed = teacher(torch.cat([image, factor], dim=1))[""].softmax(1)
        >>> torch.allclose(mixed[0], mixed[1])
        True
    """

    def __call__(
        self, image: torch.Tensor, inferer: Callable[..., Any] | None = None, names: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            image: the un-augmented batch and, as its last channel, each image's factor, from
                :class:`monai_kd.engines.PrepareBatchMixUp`; shape B(N+1)H[WD].
            inferer: MONAI's inferer. Defaults to None: the network is called once.
            names: of the images, as in :class:`CachedTeacher`.

        Returns:
            Mixed features by layer name, shape BMH[WD].
        """
        image, channel = plain(image)[:, :-1], plain(image)[:, -1].flatten(1)
        factor = channel[:, 0]
        if not image.shape[1] or (channel != factor[:, None]).any() or factor.min() < 0 or factor.max() > 1:
            raise ValueError(
                "MixedTeacher needs each image's factor, 0 to 1, as the last channel of its image. Give the trainer "
                "prepare_batch=PrepareBatchMixUp(student=View(...), teacher=View(), aligned=True)."
            )
        features = super().__call__(image, inferer, names)
        return {
            layer: (mix_up if layer in self._hooks.layers else mix_logits)(feature, factor)
            for layer, feature in features.items()
        }
