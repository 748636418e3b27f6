# SPDX-License-Identifier: Apache-2.0
"""Images that stay together in a split: those of one patient, and duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from monai_kd.data.records.record import Record

Split = dict[str, list[str]]
"""The ids of each part, ``{"training": [...], "validation": [...], "test": [...]}``; ``"unlabelled"`` is optional."""

PARTS = ("training", "validation", "test")
POOL = "unlabelled"  # training images whose labels are not used
Group = list[Record]


def groups_of(records: Sequence[Record], content: Mapping[str, str] | None = None) -> list[Group]:
    """
    Group records that share a patient or their content, directly or through others.

    Args:
        content: each id's hash, from ``check_dataset``; with None, duplicates are not detected.

    Returns:
        Groups in order of their first id, each in order of id.

    Example:
        >>> records = [{"id": "1", "patient": "a"}, {"id": "2", "patient": "b"}, {"id": "3", "patient": "a"}]
        >>> [[record["id"] for record in group] for group in groups_of(records)]
        [['1', '3'], ['2']]
    """
    ordered = sorted(records, key=lambda record: str(record["id"]))
    nodes: dict[tuple[str, str], int] = {}
    edges = []
    for index, record in enumerate(ordered):
        edges += [(index, nodes.setdefault(key, len(ordered) + len(nodes))) for key in _shared(record, content)]
    size = len(ordered) + len(nodes)
    rows, columns = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    _, component = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size)), False)
    groups: dict[int, Group] = {}
    for record, number in zip(ordered, component, strict=False):
        groups.setdefault(int(number), []).append(record)
    return list(groups.values())


def shuffled(groups: Sequence[Group], *seed: object) -> list[Group]:
    """Groups in an order that depends only on the seed and their ids, on every platform and in every version."""
    salt = "/".join(str(item) for item in seed)
    return sorted(groups, key=lambda group: hashlib.sha256(f"{salt}/{group[0]['id']}".encode()).digest())


def strata(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups by data set and pathology, in the order given; a group with several of these forms its own stratum."""
    alike: dict[tuple[tuple[str, str], ...], list[Group]] = {}
    for group in groups:
        kinds = {(str(record.get("dataset", "")), str(record.get("pathology", "unknown"))) for record in group}
        alike.setdefault(tuple(sorted(kinds)), []).append(group)
    return [alike[key] for key in sorted(alike)]


def count(groups: Sequence[Group]) -> int:
    """The number of images in all groups."""
    return sum(len(group) for group in groups)


def require_no_leak(split: Split, records: Sequence[Record], content: Mapping[str, str] | None, where: str) -> None:
    """
    Check that no patient and no duplicate is in two parts of a split; a ValueError names the two images.

    Unlabelled images count as training images, so they may share patients with labelled ones.
    """
    part_of = {key: part for part in PARTS for key in split[part]}
    part_of.update(dict.fromkeys(split.get(POOL, ()), "training"))
    first: dict[tuple[str, str], str] = {}
    for record in records:
        key = record["id"]
        for shared in _shared(record, content):
            other = first.setdefault(shared, key)
            if part_of[other] != part_of[key]:
                reason = f"are both of patient {shared[1]}" if shared[0] == "patient" else "show the same picture"
                raise ValueError(
                    f"{where} leaks: {other} ({part_of[other]}) and {key} ({part_of[key]}) {reason}. "
                    "Put both into one part, or make new splits with random_splits() or k_folds()."
                )


def _shared(record: Record, content: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """The properties that a record may share with others."""
    keys = [("patient", str(record["patient"]))]
    return keys if content is None else [*keys, ("content", content[record["id"]])]
