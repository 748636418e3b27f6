# SPDX-License-Identifier: Apache-2.0
"""Labelled images and a pool of unlabelled ones, as one data set to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai.data import CacheDataset

from monai_kd.data.breast_ultrasound_dataset import BreastUltrasoundDataset
from monai_kd.data.layouts import read_dataset
from monai_kd.data.listing import list_images
from monai_kd.data.records import Layout, Record

__all__ = ["PooledDataset"]

NO_CLASS = -100


class PooledDataset(CacheDataset):
    """
    The training images of a labelled data set and all images of an unlabelled one, each with ``has_label``, 1 or 0.

    Whatever masks, tables or folders by pathology the unlabelled data set has, nothing of them reaches the samples: its
    records have the label None, of which ``LoadUltrasoundd`` makes a blank mask, and the pathology "unknown". A data
    loader that shuffles draws from both in proportion to their sizes; a batch may hold no labelled image. With
    ``classes`` the label without information is -100, which ``torch.nn.CrossEntropyLoss`` leaves out.

    Args:
        root: the labelled data set's folder, or a folder above it.
        unlabelled: the folder of the images without labels: a data set in any layout, or images alone. Copies of
            files of the labelled data set are left out, since they may be those to validate and test with.
        section, split, transform, layout, fold, seed, check, classes, data: of the labelled data set, as in
            :class:`BreastUltrasoundDataset`; the transform serves both.
        cache_arguments: of ``monai.data.CacheDataset``, as in :class:`BreastUltrasoundDataset`.

    Raises:
        FileNotFoundError: When a folder, an image or the split file is missing.
        ValueError: When data set or split are unusable, or the folder holds no unlabelled image.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from monai_kd.data import write_phantoms
        >>> with TemporaryDirectory() as root, TemporaryDirectory() as pool:
        ...     write_phantoms(root, count=8)
        ...     write_phantoms(pool, count=3, seed=1)
        ...     dataset = PooledDataset(root, pool, progress=False)
        ...     [sample["has_label"] for sample in dataset]
        [1, 1, 1, 1, 1, 0, 0, 0]
    """

    def __init__(
        self,
        root: str | Path,
        unlabelled: str | PathLike[str],
        section: str = "training",
        split: str | Path | Mapping[str, Sequence[str]] | None = None,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] | None = None,
        layout: str | Layout | None = None,
        fold: int = 0,
        seed: int = 0,
        check: bool = True,
        classes: Sequence[str] | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        **cache_arguments: Any,
    ) -> None:
        labelled = BreastUltrasoundDataset(
            root,
            section=section,
            split=split,
            transform=transform,
            layout=layout,
            fold=fold,
            seed=seed,
            check=check,
            classes=classes,
            data=data,
            cache_num=0,
        )
        pool = _without_copies(list_images(unlabelled), read_dataset(root, layout) if data is None else labelled.data)
        if not pool:
            whose = root if data is None else "the list"
            raise ValueError(
                f"All images in {unlabelled} are those of {whose}. Give the folder of further images, without labels."
            )
        no_label = None if classes is None else NO_CLASS
        nothing_known = {"label": no_label, "patient": "", "pathology": "unknown", "has_label": 0}
        super().__init__(
            data=[{**record, "has_label": 1} for record in labelled.data]
            + [{**record, **nothing_known} for record in pool],
            transform=labelled.transform,
            **cache_arguments,
        )


def _without_copies(pool: Sequence[Record], labelled: Sequence[Record]) -> list[Record]:
    files = {record["image"] for record in labelled}
    sizes, contents = {_size(file) for file in files}, {_content(file) for file in files}
    return [
        record for record in pool if _size(record["image"]) not in sizes or _content(record["image"]) not in contents
    ]


def _size(file: str) -> int:
    return Path(file).stat().st_size


def _content(file: str) -> bytes:
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
