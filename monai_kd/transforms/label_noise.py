# SPDX-License-Identifier: Apache-2.0
"""Wrong labels on purpose, to show what a method makes of them."""

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
    Gives a share of the images a wrong class, always the same images for a seed.

    Which images, and which wrong class, depends on the seed and the ids alone: it is the same in every epoch, run,
    process and order of the images. Only images of ``ids``, the training part, are ever changed, so that validation
    and test keep their labels even behind the same transforms. Nothing is drawn at the call: MONAI's ``CacheDataset``
    caches the result.

    With one share for all classes (symmetric noise) exactly ``round(share · n)`` of the n ids are changed. With a share
    for each class (class-conditional noise) an image of class c is changed with probability ``share[c]``. The wrong
    class is any other, all alike. An image that a smaller share changes, a larger one changes too.

    Args:
        keys: the labels, each a class index of any type: a number, or an array of one element.
        ids: of the images that may be changed.
        share: of the labels to make wrong, 0 to 1; a sequence has one for each class.
        num_classes: how many classes there are. Defaults to 2.
        seed: another seed, other images.
        id_key: where an image's id is. Defaults to ``"id"``.
        allow_missing_keys: pass over keys that a record lacks.

    Raises:
        ValueError: When ``share`` or ``num_classes`` is out of range; at the call, when a record has no id, or a label
            is no class index.

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
            raise ValueError(f"LabelNoised got num_classes={num_classes}. Give 2 or more: else no class is wrong.")
        self.shares = list(share) if isinstance(share, Sequence) else [share] * num_classes
        if len(self.shares) != num_classes or not all(0 <= value <= 1 for value in self.shares):
            raise ValueError(
                f"share={share} must be a number of 0 to 1, or {num_classes} of them, one for each class. Give 0.2 to "
                "make a fifth of the labels wrong."
            )
        self.num_classes = num_classes
        self.id_key = id_key
        # By rank and not by the hash itself, so that the share is met exactly.
        ranked = sorted(set(ids), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
        self.places = {name: (rank + 0.5) / len(ranked) for rank, name in enumerate(ranked)}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: a record with its id and labels.

        Returns:
            The record, its labels wrong if its turn has come.
        """
        record = dict(data)
        if self.id_key not in record:
            raise ValueError(
                f"LabelNoised needs '{self.id_key}' in the data, which hold {sorted(map(str, record))}. Give every "
                "image a name of its own, or name its key by id_key."
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
                f"{name} is no class index: {got}. Give one number of 0 to {self.num_classes - 1} for each image."
            )
        true = int(value.item())
        share = self.shares[true]
        if place >= share:
            return label
        # The place within the share says which of the other classes it is.
        step = 1 + int(place / share * (self.num_classes - 1))
        return label - true + (true + step) % self.num_classes
