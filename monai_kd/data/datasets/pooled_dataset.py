# SPDX-License-Identifier: Apache-2.0
"""Labelled images and a pool of unlabelled ones, as one data set for training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any

from monai.data import CacheDataset
from monai.utils import ensure_tuple

from monai_kd.data.datasets.breast_ultrasound_dataset import BreastUltrasoundDataset
from monai_kd.data.datasets.choose_split import choose_split
from monai_kd.data.duplicates import Thumbnail, thumbnail
from monai_kd.data.duplicates.pairs import near_duplicates
from monai_kd.data.image_files.reading import read_image
from monai_kd.data.layouts import read_dataset
from monai_kd.data.layouts.list_images import list_images
from monai_kd.data.records.record import Layout, Record
from monai_kd.data.records.several_folders import Folders
from monai_kd.data.splits.few_labels import keep_labels
from monai_kd.data.splits.groups import POOL
from monai_kd.utils.digest import sha256
from monai_kd.utils.messages import first_few

__all__ = ["PooledDataset"]

NO_CLASS = -100


class PooledDataset(CacheDataset):
    """
    The training images of a labelled data set and a pool of unlabelled images, each with ``has_label``, 1 or 0.

    The pool can hold three kinds of images: training images that do not keep their labels (``labels=30``), images in
    the split's part ``"unlabelled"``, and images of further folders. Their masks, tables and folder names never reach
    the samples: the label of these records is None, which ``LoadUltrasoundd`` replaces by an empty mask, and the
    pathology is "unknown". With ``classes``, the label is -100, which ``torch.nn.CrossEntropyLoss`` ignores. A data
    loader that shuffles draws from both kinds in proportion to their numbers, so a batch may hold no labelled image.

    Args:
        root: the labelled data set's folder, or a folder above it; or a list of several, read as one.
        unlabelled: one or several folders of images without labels, or of data sets in any layout. Copies of files of
            the labelled data set are left out, and the log gives their number. Defaults to None: the pool holds only
            images of the labelled data set.
        section, split, transform, layout, fold, seed, check, classes, data: of the labelled data set, as in
            :class:`BreastUltrasoundDataset`; the transform applies to both kinds.
        labels: how many training images keep their labels (an int), or which fraction of them (a float), as in
            :func:`keep_labels`; the others are in the pool. With 1.0, all keep them and the pool may be empty, for
            comparison.
        cache_arguments: of ``monai.data.CacheDataset``, as in :class:`BreastUltrasoundDataset`.

    Raises:
        FileNotFoundError: When a folder, an image or the split file is missing.
        ValueError: When data set or split are unusable, there is no unlabelled image, or one of them shows the same
            picture as a validation or test image.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from monai_kd.phantom import write_phantoms
        >>> with TemporaryDirectory() as root, TemporaryDirectory() as pool:
        ...     write_phantoms(root, count=8)
        ...     write_phantoms(pool, count=3, seed=1)
        ...     dataset = PooledDataset(root, pool, labels=2, progress=False)
        ...     [sample["has_label"] for sample in dataset]
        [1, 1, 0, 0, 0, 0, 0, 0]
    """

    def __init__(
        self,
        root: Folders,
        unlabelled: Folders | None = None,
        section: str = "training",
        split: str | Path | Mapping[str, Sequence[str]] | None = None,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] | None = None,
        layout: str | Layout | None = None,
        fold: int = 0,
        seed: int = 0,
        check: bool = True,
        classes: Sequence[str] | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        labels: int | float | None = None,
        **cache_arguments: Any,
    ) -> None:
        may_be_empty = labels == 1.0 and isinstance(labels, float)
        records: Sequence[Record] = []
        parts: Mapping[str, Sequence[str]] = {}
        if data is None:
            parts = (
                split
                if isinstance(split, Mapping)
                else choose_split(root, layout, split, fold, seed, check, transform=transform)
            )
            records = read_dataset(root, layout)
            if labels is not None:
                parts, labels = keep_labels(parts, records, labels, seed), None
        labelled = BreastUltrasoundDataset(
            root,
            section=section,
            split=parts,
            transform=transform,
            layout=layout,
            classes=classes,
            data=data,
            labels=labels,
            cache_num=0,
        )
        further = [record for folder in _folders(unlabelled) for record in list_images(folder)]
        pool = _without_copies(further, records or labelled.data)
        held_out = {key for part in ("validation", "test") for key in parts.get(part, ())}
        _require_new(pool, [record for record in records if record["id"] in held_out])
        without_label = set(parts.get(POOL, ()))
        pool = [record for record in records if record["id"] in without_label] + pool
        if not pool and not may_be_empty:
            raise ValueError(_no_pool(unlabelled, root if data is None else "the list"))
        no_label = None if classes is None else NO_CLASS
        nothing_known = {"label": no_label, "patient": "", "pathology": "unknown", "has_label": 0}
        super().__init__(
            data=[{**record, "has_label": 1} for record in labelled.data]
            + [{**record, **nothing_known} for record in pool],
            transform=labelled.transform,
            **cache_arguments,
        )


def _folders(paths: Folders | None) -> tuple[str | PathLike[str], ...]:
    return () if paths is None else ensure_tuple(paths)


def _no_pool(unlabelled: Folders | None, whose: object) -> str:
    if unlabelled is None:
        return (
            f"There is no unlabelled image: all training images of {whose} keep their labels, and no folder of further "
            "images is given. Set labels to the number of images that keep them, or name a folder."
        )
    return f"All images in {unlabelled} are copies of those in {whose}. Give a folder of other images."


def _without_copies(pool: Sequence[Record], labelled: Sequence[Record]) -> list[Record]:
    files = {record["image"] for record in labelled}
    sizes, contents = {_size(file) for file in files}, {sha256(file) for file in files} if pool else set()
    new = [record for record in pool if _size(record["image"]) not in sizes or sha256(record["image"]) not in contents]
    if len(new) < len(pool):
        logging.getLogger(__name__).info(
            f"Left out {len(pool) - len(new)} unlabelled images, which are copies of the data set's own files."
        )
    return new


def _size(file: str) -> int:
    return Path(file).stat().st_size


def _require_new(pool: Sequence[Record], held_out: Sequence[Record]) -> None:
    """Refuse unlabelled images that show a validation or test image, even if cropped, resized or saved again."""
    if not pool or not held_out:
        return
    with ThreadPoolExecutor(2) as threads:
        thumbnails = list(threads.map(_thumbnail, [*held_out, *pool]))
    group = [0] * len(held_out) + [1] * len(pool)
    pairs = near_duplicates(thumbnails, group)
    if pairs:
        names = [f"{pool[second - len(held_out)]['image']} ({held_out[first]['id']})" for first, second, _ in pairs]
        raise ValueError(
            "Unlabelled images show the same picture as validation or test images (their ids in brackets): "
            f"{first_few(names)}. Remove them from the folder of unlabelled images."
        )


def _thumbnail(record: Record) -> Thumbnail:
    return thumbnail(read_image(record["image"], record.get("frame")).numpy()[0])
