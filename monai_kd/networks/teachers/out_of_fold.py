# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_kd.networks.teachers.ensemble import Ensemble

__all__ = ["OutOfFoldEnsemble"]


class OutOfFoldEnsemble(Ensemble):
    r"""
    Teachers of a cross-validation: each image is predicted by the teacher whose training did not include it.

    .. math:: z(x) = z_{k}(x) \quad\text{for } x \text{ in fold } k, \qquad z(x) = \langle z_k(x) \rangle_k
              \quad\text{else}

    An image without label is predicted by all teachers. On its training images, a teacher repeats their labels and is
    more certain than on new images. Out-of-fold predictions are equally certain on both. The image's last channel holds
    the fold (:class:`monai_kd.engines.PrepareBatchOutOfFold` writes it), so :class:`monai_kd.CachedTeacher` can cache
    the predictions.

    Source: cross-fitting, as in stacking: Wolpert, "Stacked generalization", Neural Networks 5, 1992.

    Args:
        members: member ``k`` was trained on all folds except ``k``.
        folds: number of folds, as a check of ``members``.
        probabilities: average softmax probabilities, as in :class:`Ensemble`.

    Raises:
        ValueError: When there is not one member for each fold, and as :class:`Ensemble`; at the call, when the last
            channel holds no fold.

    Example:
        >>> members = [nn.Conv2d(1, 2, 1) for _ in range(3)]
        >>> teacher, image = OutOfFoldEnsemble(members, folds=3), torch.rand(1, 1, 4, 4)
        >>> torch.equal(teacher(torch.cat([image, torch.full_like(image, 2)], dim=1)), members[2](image))
        True
        >>> pooled = teacher(torch.cat([image, torch.full_like(image, -1)], dim=1))
        >>> torch.allclose(pooled, sum(member(image) for member in members) / 3)
        True
    """

    def __init__(self, members: Sequence[nn.Module], folds: int, probabilities: bool = False) -> None:
        if len(members) != folds:
            raise ValueError(
                f"members holds {len(members)} teachers for {folds} folds of the labelled images. Give a checkpoint "
                "for each fold, in order: first the teacher that was trained without fold 0."
            )
        super().__init__(members, probabilities)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """
        Logits of the members' shape.

        Args:
            image: shape B(N+1)H[WD]; the last channel is the image's fold at all positions, or -1 without a label.
        """
        image, channel = image[:, :-1], image[:, -1].flatten(1)
        folds = channel[:, 0].tolist()
        if not image.shape[1] or (channel != channel[:, :1]).any() or not set(folds) <= {-1, *range(len(self.members))}:
            raise ValueError(
                f"OutOfFoldEnsemble needs each image's fold, 0 to {len(self.members) - 1} or -1, as the image's last "
                "channel. Give the trainer prepare_batch=PrepareBatchOutOfFold(…)."
            )
        return torch.cat([self._answer(one, int(fold)) for one, fold in zip(torch.split(image, 1), folds, strict=True)])

    def _answer(self, image: torch.Tensor, fold: int) -> torch.Tensor:
        answer: torch.Tensor = super().forward(image) if fold < 0 else self.members[fold](image)
        return answer
