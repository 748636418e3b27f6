# SPDX-License-Identifier: Apache-2.0
"""One part of a data set, loaded and cached, like MONAI's own data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.data import CacheDataset

from monai_kd.data.datasets.choose_split import choose_split
from monai_kd.data.datasets.class_labels import label_classes
from monai_kd.data.datasets.require_lesion import require_lesion
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd, loading_of
from monai_kd.data.layouts import read_dataset
from monai_kd.data.records.listed_pairs import given_records
from monai_kd.data.records.record import Layout, records_with
from monai_kd.data.records.several_folders import Folders
from monai_kd.data.splits.few_labels import keep_labels
from monai_kd.data.splits.groups import PARTS
from monai_kd.data.splits.label_folds import without_fold
from monai_kd.utils.messages import closest, first_few

__all__ = ["BreastUltrasoundDataset"]


class BreastUltrasoundDataset(CacheDataset):
    """
    The training, validation or test images of a data set of any known layout, similar to
    ``monai.apps.DecathlonDataset``.

    Args:
        root: the data set's folder, or a folder above it; or a list of several, read as one.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        split: a file of ``write_splits``, or one split (the ids of each part), e.g. from ``random_splits``. Defaults to
            None: the paper's random splits.
        transform: from a record to a sample. Defaults to ``LoadUltrasoundd()``: image and label, (1, W, H).
        classes: for classification, pathologies such as ``("benign", "malignant")``. Then ``label`` is the class index
            instead of the mask; images of another pathology are left out, and the log names them. Defaults to None:
            segmentation.
        data: images and masks instead of those in the folder, which need not exist then: dictionaries with ``image``
            and ``label``, as MONAI Label gives them; ``patient`` and ``pathology`` are optional. ``split`` is ignored.
            Defaults to None.
        layout: as in ``read_dataset``. Defaults to None: recognize it from the folder.
        fold: which split of the file, or of the random splits, from 0.
        seed: of the random splits, and of the choice of images that keep their labels.
        labels: how many training images keep their labels (an int), or which fraction of them (a float), as in
            :func:`keep_labels`; the others are left out here, and form the pool of :class:`PooledDataset`. Defaults to
            None: all.
        leave_out: leave out one fold of these training images, given as (fold from 0, number of folds), as in
            :func:`label_folds`. Defaults to None: no fold.
        check: load every image and mask first, to find bad files and duplicates. Skipped if ``split`` holds ids.
        cache_arguments: of ``monai.data.CacheDataset``: ``cache_rate``, the share of the samples to cache, 0 to 1 (all
            by default); ``num_workers``, the threads that fill the cache; ``progress``, whether to show a bar
            meanwhile.

    Raises:
        FileNotFoundError: When the folder, an image or the split file is missing.
        ValueError: When section or fold do not exist; when data set, split or list are unusable; when no image has any
            of the ``classes`` (in training and validation: when one class has no image); or when no mask of the
            training or validation images holds a lesion.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from monai_kd.phantom import write_phantoms
        >>> with TemporaryDirectory() as root:
        ...     write_phantoms(root, count=8)
        ...     dataset = BreastUltrasoundDataset(root, section="training", cache_rate=0.0)
        ...     len(dataset), sorted(dataset[0])
        (5, ['id', 'image', 'label', 'pathology', 'patient'])
    """

    def __init__(
        self,
        root: Folders,
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
        leave_out: Sequence[int] | None = None,
        **cache_arguments: Any,
    ) -> None:
        if section not in PARTS:
            raise ValueError(
                f"No section {section!r}. Closest: {closest(str(section), PARTS)!r}. Known: {', '.join(PARTS)}."
            )
        if transform is None:
            transform = LoadUltrasoundd() if classes is None else LoadUltrasoundd("image")
        if labels is not None and (data is not None or section != "training"):
            what = "a list" if data is not None else f"the {section} images"
            raise ValueError(f"labels={labels} draws from a folder's training images, not from {what}. Omit labels.")
        if data is None:
            if not isinstance(split, Mapping):
                split = choose_split(root, layout, split, fold, seed, check, transform=transform)
            records = read_dataset(root, layout)
            if labels is not None:
                split = keep_labels(split, records, labels, seed)
            records = _chosen(records, split, section, root)
        else:
            records = given_records(data, section)
        if classes is not None:
            records = label_classes(records, classes, f"{section} images of {root}", every=section != "test")
        elif section != "test" and "label" in getattr(loading_of(transform), "keys", ()):
            require_lesion(records, f"{section} images of {root}")
        if leave_out is not None:
            if section != "training":
                raise ValueError(f"leave_out={leave_out} is for training images, not {section} images. Omit it.")
            records = without_fold(records, leave_out, seed)
        super().__init__(data=records, transform=transform, **cache_arguments)


def _chosen(
    records: Sequence[dict[str, Any]], split: Mapping[str, Sequence[str]], section: str, root: object
) -> list[dict[str, Any]]:
    if section not in split:
        raise ValueError(f"The split has the parts {first_few(split)}, but not {section!r}. Add that part.")
    double = [key for key, times in Counter(split[section]).items() if times > 1]
    if double:
        raise ValueError(
            f"{len(double)} ids appear more than once in the split's part {section!r}: {first_few(double)}. "
            "Keep each id once."
        )
    return records_with(split[section], records, root)
