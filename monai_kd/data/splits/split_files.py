# SPDX-License-Identifier: Apache-2.0
"""Splits as one JSON file, so that every run and method uses the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import PARTS, POOL, Split, require_no_leak
from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.messages import first_few


def write_splits(path: str | Path, splits: Sequence[Split], protocol: str, layout: str, seed: int) -> None:
    """
    Write splits, and how they were made, as JSON, in one step.

    Args:
        path: the file; its folder is made if missing.
        splits: from ``random_splits``, ``k_folds`` or ``official_folds``.
        protocol: how they were made, in words, such as "random" or "5 folds".
        seed: with which they were made.

    Raises:
        ValueError: When the file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> split = {"training": ["1", "2"], "validation": ["3"], "test": ["4"]}
        >>> records = [{"id": key, "patient": key} for key in "1234"]
        >>> with TemporaryDirectory() as folder:
        ...     write_splits(Path(folder, "splits.json"), [split], "random", "plain", seed=0)
        ...     read_splits(Path(folder, "splits.json"), records) == [split]
        True
    """
    content = {"protocol": protocol, "layout": layout, "seed": seed, "splits": list(splits)}
    write_json(path, content)


def read_splits(path: str | Path, records: Sequence[Record], content: Mapping[str, str] | None = None) -> list[Split]:
    """
    Read splits and check them against the images.

    Args:
        path: a file of ``write_splits``.
        records: of the data set; each split must hold each of them once.
        content: each id's hash, from ``check_dataset``, to find duplicates in different parts. Defaults to None:
            duplicates are not detected.

    Returns:
        For each split the ids of ``"training"``, ``"validation"`` and ``"test"``, and of ``"unlabelled"`` if the file
        has that part.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is not a split file, belongs to other images, or leaks; the message names the ids.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No split file {path}. Check split_file, or write one with write_splits().")
    splits = _parse(path)
    for index, split in enumerate(splits):
        where = f"{path}, split {index},"
        _require_same_ids(split, {str(record["id"]) for record in records}, where)
        require_no_leak(split, records, content, where)
    return splits


def _parse(path: Path) -> list[Split]:
    content = read_json(path, remedy="Write it again with write_splits().")
    splits = content.get("splits") if isinstance(content, dict) else None
    if not isinstance(splits, list) or not splits or not all(_is_split(split) for split in splits):
        raise ValueError(
            f'{path} is not a split file: it must hold {{"splits": [...]}}, and each split the non-empty lists of ids '
            f"{', '.join(PARTS)}, and optionally {POOL}. Write it with write_splits()."
        )
    return splits


def _is_split(split: Any) -> bool:
    return (
        isinstance(split, dict)
        and set(split) - {POOL} == set(PARTS)
        and all(isinstance(ids, list) and all(isinstance(key, str) for key in ids) for ids in split.values())
        and all(split[part] for part in PARTS)
    )


def _require_same_ids(split: Split, ids: set[str], where: str) -> None:
    listed = Counter(key for ids in split.values() for key in ids)
    twice = sorted(key for key, times in listed.items() if times > 1)
    if twice:
        raise ValueError(f"{where} leaks: {first_few(twice)} appear more than once. Keep each id in one part.")
    absent, unlisted = sorted(listed.keys() - ids), sorted(ids - listed.keys())
    if absent or unlisted:
        raise ValueError(
            f"{where} is of other images: {len(absent)} of its ids are not in the data set ({first_few(absent) or '-'})"
            f" and {len(unlisted)} images are not in the split ({first_few(unlisted) or '-'}). "
            "Set split_file to the file of this data set, or write a new one with write_splits(). Images without "
            f"labels belong to the part '{POOL}'."
        )
