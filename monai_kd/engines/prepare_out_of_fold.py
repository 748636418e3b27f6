# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from monai_kd.engines.number_channel import with_number_channel
from monai_kd.engines.prepare_views import PrepareBatchViews

__all__ = ["PrepareBatchOutOfFold"]


@dataclass(eq=False)
class PrepareBatchOutOfFold(PrepareBatchViews):
    """
    Views of a batch, with each image's fold as one more channel of "teacher_image", for
    :class:`monai_kd.networks.OutOfFoldEnsemble`.

    Args:
        student, teacher, aligned, prompt: as in :class:`PrepareBatchViews`; ``teacher`` is required.
        fold_of: the fold of each labelled image by its id, from :func:`monai_kd.data.label_folds`. Others, for which
            the batch's "has_label" must be 0, get -1.

    Raises:
        ValueError: When ``teacher`` or ``fold_of`` is missing; at the call, when the batch has no "id", or a labelled
            image is in no fold.

    Example:
        >>> import torch
        >>> from monai_kd.transforms import View
        >>> views = PrepareBatchOutOfFold(View(), View(), aligned=True, fold_of={"7": 2})
        >>> batch = {"image": torch.rand(2, 1, 8, 8), "id": ["7", "8"], "has_label": torch.tensor([1, 0])}
        >>> _ = views(batch)
        >>> batch["teacher_image"][:, -1].amax((1, 2))
        tensor([ 2., -1.])
    """

    fold_of: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher is None:
            raise ValueError("The teacher gets the fold in a view of its own. Give teacher=View() and aligned=True.")
        if not self.fold_of:
            raise ValueError("fold_of is empty: no image has a fold. Give fold_of=label_folds(dataset.data, folds=3).")

    def _tell_teacher(self, batch: dict[Any, Any]) -> None:
        if "id" not in batch:
            raise ValueError(f"The batch holds {sorted(batch)}, but no 'id' to find folds by. Add it to the samples.")
        ids = [str(key) for key in batch["id"]]
        has_label = torch.as_tensor(batch.get("has_label", torch.ones(len(ids)))).flatten().tolist()
        lost = [key for key, counts in zip(ids, has_label, strict=True) if counts and key not in self.fold_of]
        if lost:
            raise ValueError(
                f"The labelled image '{lost[0]}' is in no fold, so a teacher that learned it would predict it. Make "
                "the folds from the training data set: label_folds(dataset.data, folds=3)."
            )
        batch["teacher_image"] = with_number_channel(batch["teacher_image"], [self.fold_of.get(key, -1) for key in ids])
