# SPDX-License-Identifier: Apache-2.0
"""One look at every pair of a data set before training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from monai_kd.data.loading import LoadUltrasoundd
from monai_kd.data.records import Record

PROBLEMS_SHOWN = 5


def check_dataset(
    records: Sequence[Record], progress: Callable[[int, int], None] | None = None, workers: int = 2
) -> dict[str, str]:
    """Load every image and mask once, so that a bad file is found before training and not after hours of it.

    Args:
        records: the records, as ``read_dataset`` gives them.
        progress: called with the number of records done and of all, after each.
        workers: threads that load.

    Returns:
        For each record's ``id`` the SHA-256 of its image's shape and gray values: equal for duplicates.

    Raises:
        ValueError: listing the first problems found, each with its file and remedy.

    Example:
        >>> check_dataset([])
        {}
    """
    content: dict[str, str] = {}
    problems: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        for done, (record, (digest, problem)) in enumerate(zip(records, pool.map(_check, records), strict=True), 1):
            content[record["id"]] = digest
            if problem:
                problems.append(problem)
            if progress is not None:
                progress(done, len(records))
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:PROBLEMS_SHOWN])
        shown = f", the first {PROBLEMS_SHOWN}" if len(problems) > PROBLEMS_SHOWN else ""
        raise ValueError(f"{len(problems)} of {len(records)} records cannot be used{shown}:\n{listed}")
    return content


def _check(record: Record) -> tuple[str, str]:
    """The content's hash and no problem, or no hash and the problem."""
    try:
        image = LoadUltrasoundd()(record)["image"]
    except (FileNotFoundError, ValueError) as error:
        return "", f"{record['id']}: {error}"
    values = image.numpy()
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest(), ""
