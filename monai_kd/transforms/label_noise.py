# SPDX-License-Identifier: Apache-2.0
"""Wrong labels on purpose, to study how a method copes with them."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["LabelNoised"]


class LabelNoised(MapTransform):
    """
    Give a share of the training images a wrong class.

    Which images are changed, and to which class, depends only on the seed and the ids: it is the same in every epoch,
    run, process and order. Only images of ``ids`` are changed, so give the ids of the training part: validation and
    test images then keep their labels under the same transforms. Nothing is drawn at the call, so MONAI's
    ``CacheDataset`` caches the result.

    With one share for all classes (symmetric noise), exactly ``round(share · n)`` of the n ids are changed. With a
    share for each class (class-conditional noise), an image of class c is changed with probability ``share[c]``. All
    wrong classes are equally likely. A larger share changes all images that a smaller one changes, and more.

    Args:
        keys: the labels; each is a class index: a number, or an array of one element.
        ids: of the images that may be changed.
        share: of the labels to make wrong, 0 to 1; a sequence has one share for each class.
        num_classes: number of classes, at least 2.
        seed: another seed changes other images.
        id_key: key of an image's id. Defaults to ``"id"``.
        allow_missing_keys: skip keys that a record lacks.

    Raises:
        ValueError: When ``share`` or ``num_classes`` is out of range; at the call, when a record has no id, or a label
            is not a class index.

    Example:
        >>> noise = LabelNoised("label", ids=["a", "b", "c", "d", "e"], share=0.4)
        >>> [noise({"id": name, "label": 0})["label"] for name in "abcdefgh"]
        [0, 1, 0, 0, 1, 0, 0, 0]
    """

    def __init__(
        self,
        keys: KeysCollection,
        ids: Iterable[str],
        share: float | Sequence[float],
        num_classes: int = 2,
        seed: int = 0,
        id_key: str = "id",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if num_classes < 2:
            raise ValueError(f"LabelNoised got num_classes={num_classes}. Give 2 or more: one class cannot be wrong.")
        self.shares = list(share) if isinstance(share, Sequence) else [share] * num_classes
        if len(self.shares) != num_classes or not all(0 <= value <= 1 for value in self.shares):
            raise ValueError(
                f"share={share} must be a number from 0 to 1, or {num_classes} of them, one for each class. Give 0.2 "
                "to make a fifth of the labels wrong."
            )
        self.num_classes = num_classes
        self.id_key = id_key
        # The rank decides, not the hash itself, so that the share is met exactly.
        ranked = sorted(set(ids), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
        self.places = {name: (rank + 0.5) / len(ranked) for rank, name in enumerate(ranked)}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Make the labels wrong if this image is one of those to change.

        Args:
            data: a record with its id and labels.
        """
        record = dict(data)
        if self.id_key not in record:
            raise ValueError(
                f"LabelNoised needs '{self.id_key}' in the data, which hold {sorted(map(str, record))}. Give every "
                "image a unique id, or set id_key to its key."
            )
        place = self.places.get(str(record[self.id_key]))
        if place is not None:
            for key in self.key_iterator(record):
                record[key] = self._disturb(record[key], place, f"'{key}' of '{record[self.id_key]}'")
        return record

    def _disturb(self, label: Any, place: float, name: str) -> Any:
        value = torch.as_tensor(label)
        if value.numel() != 1 or value.item() not in range(self.num_classes):
            got = value.item() if value.numel() == 1 else f"an array of shape {tuple(value.shape)}"
            raise ValueError(
                f"{name} is not a class index: {got}. Give one number from 0 to {self.num_classes - 1} for each image."
            )
        true = int(value.item())
        share = self.shares[true]
        if place >= share:
            return label
        # The position within the share decides which of the other classes it becomes.
        step = 1 + int(place / share * (self.num_classes - 1))
        return label - true + (true + step) % self.num_classes
