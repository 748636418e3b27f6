# SPDX-License-Identifier: Apache-2.0
"""Near duplicates treated as duplicates: what splits and checks of splits need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_kd.data.duplicates.pairs import near_duplicates
from monai_kd.data.duplicates.thumbnails import Thumbnail
from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import groups_of

NearDuplicate = tuple[str, str, float]
"""Two ids, and how alike their pictures are (1 is the same)."""


def find_near_duplicates(
    records: Sequence[Record], content: Mapping[str, str], thumbnails: Mapping[str, Thumbnail]
) -> list[NearDuplicate]:
    """
    Near duplicates among images that neither share a patient nor their exact content.

    Args:
        records: the records.
        content: each id's hash, as ``check_dataset`` gives it.
        thumbnails: each id's thumbnail; ids without one are not compared.

    Returns:
        Pairs in order of id; every two near duplicates are joined by a chain of pairs.
    """
    compared: list[str] = []
    group: list[int] = []
    for number, members in enumerate(groups_of(records, content)):
        # Of equal images one is enough.
        distinct = {content[record["id"]]: record["id"] for record in reversed(members) if record["id"] in thumbnails}
        compared += distinct.values()
        group += [number] * len(distinct)
    pairs = near_duplicates([thumbnails[key] for key in compared], group)
    named = [(compared[first], compared[second], likeness) for first, second, likeness in pairs]
    return sorted((min(first, second), max(first, second), likeness) for first, second, likeness in named)


def join_near_duplicates(content: Mapping[str, str], pairs: Sequence[NearDuplicate]) -> dict[str, str]:
    """
    The hashes with one common value for all near duplicates, so that splits take them for duplicates.

    Args:
        content: each id's hash.
        pairs: of ``find_near_duplicates``.

    Example:
        >>> join_near_duplicates({"1": "a", "2": "b", "3": "c"}, [("1", "3", 0.99)])
        {'1': 'a', '2': 'b', '3': 'a'}
    """
    joined: dict[str, str] = {}

    def representative(value: str) -> str:
        while value in joined:
            value = joined[value]
        return value

    for first, second, _ in pairs:
        values = sorted({representative(content[first]), representative(content[second])})
        if len(values) == 2:
            joined[values[1]] = values[0]
    return {key: representative(value) for key, value in content.items()}
