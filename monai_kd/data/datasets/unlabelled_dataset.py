# SPDX-License-Identifier: Apache-2.0
"""Images without labels, or whose labels must not be used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from monai.data import CacheDataset

from monai_kd.data.layouts.list_images import list_images
from monai_kd.data.records.record import records_with

__all__ = ["UnlabelledDataset"]


class UnlabelledDataset(CacheDataset):
    """
    The images of a folder or data set without their labels: the target domain of an adaptation.

    Masks and tables of the data set never reach the samples. The label of the records is None, which
    ``LoadUltrasoundd`` replaces by an empty mask, so transforms for labelled images work here too.

    Args:
        root: a folder of images, or of a data set in any layout.
        transform: from a record (``image``, ``label``, ``id``) to a sample. It is copied, so it may be the transform of
            the training data, whose random numbers do not change.
        ids: of the images to use, such as a split's training part; leave out the images to test on. Defaults to None:
            all images.
        cache_arguments: of ``monai.data.CacheDataset``, as in :class:`BreastUltrasoundDataset`.

    Raises:
        FileNotFoundError: When ``root`` does not exist.
        ValueError: When the folder holds no image, or lacks some of ``ids``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from monai_kd.data import LoadUltrasoundd
        >>> from monai_kd.phantom import write_phantoms
        >>> with TemporaryDirectory() as root:
        ...     write_phantoms(root, count=3)
        ...     dataset = UnlabelledDataset(root, LoadUltrasoundd(), ids=["000001", "000003"], progress=False)
        ...     [(sample["id"], sample["label"].any().item()) for sample in dataset]
        [('000001', False), ('000003', False)]
    """

    def __init__(
        self,
        root: str | PathLike[str],
        transform: Sequence[Callable[..., Any]] | Callable[..., Any],
        ids: Sequence[str] | None = None,
        **cache_arguments: Any,
    ) -> None:
        records = list_images(root)
        chosen = records if ids is None else records_with(ids, records, root)
        chosen = [{**record, "label": None} for record in chosen]
        super().__init__(data=chosen, transform=copy.deepcopy(transform), **cache_arguments)
