# SPDX-License-Identifier: Apache-2.0
"""A check of every image and mask before training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.data.duplicates import Thumbnail, find_near_duplicates, join_near_duplicates, thumbnail
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.records.record import Record

PROBLEMS_SHOWN = 5


def check_dataset(
    records: Sequence[Record],
    progress: Callable[[int, int], None] | None = None,
    workers: int = 2,
    near_duplicates: bool = False,
    load: LoadUltrasoundd | None = None,
) -> dict[str, str]:
    """
    Load every image and mask once, so that a bad file is found before training, not hours later.

    Args:
        records: as ``read_dataset`` gives them.
        progress: called with the numbers of finished and of all records.
        workers: number of threads that load.
        near_duplicates: give the same value to images of different patients that show the same picture (see
            ``duplicates.pairs.near_duplicates``).
        load: the transform that will load the images in training, so that both accept the same files. Defaults to None:
            ``LoadUltrasoundd()``, which accepts images and masks of any kind.

    Returns:
        For each record's ``id`` the SHA-256 of its image's shape and gray values, equal for duplicates.

    Raises:
        ValueError: Listing the first problems, each with its file and remedy.
    """
    content: dict[str, str] = {}
    thumbnails: dict[str, Thumbnail] = {}
    problems: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        checked = zip(records, pool.map(partial(_check, load or LoadUltrasoundd()), records), strict=True)
        for done, (record, (digest, small, problem)) in enumerate(checked, 1):
            content[record["id"]], thumbnails[record["id"]] = digest, small
            if problem:
                problems.append(problem)
            if progress is not None:
                progress(done, len(records))
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:PROBLEMS_SHOWN])
        shown = f", the first {PROBLEMS_SHOWN}" if len(problems) > PROBLEMS_SHOWN else ""
        raise ValueError(f"{len(problems)} of {len(records)} records cannot be used{shown}:\n{listed}")
    if near_duplicates:
        return join_near_duplicates(content, find_near_duplicates(records, content, thumbnails))
    return content


def content_hash(values: npt.NDArray[Any]) -> str:
    """The SHA-256 of an array's shape and values."""
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def _check(load: LoadUltrasoundd, record: Record) -> tuple[str, Thumbnail, str]:
    """The content's hash, a thumbnail and an empty message; or, in case of an error, its message."""
    try:
        image = load(record)["image"]
    except (OSError, ValueError) as error:
        return "", np.empty((0, 0), dtype=np.uint8), f"{record['id']}: {error}"
    values = image.numpy()
    return content_hash(values), thumbnail(values[0]), ""
