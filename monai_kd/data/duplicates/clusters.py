# SPDX-License-Identifier: Apache-2.0
"""Near duplicates in the form that splits need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_kd.data.duplicates.pairs import near_duplicates
from monai_kd.data.duplicates.thumbnails import Thumbnail
from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import groups_of

NearDuplicate = tuple[str, str, float]
"""Two ids, and the similarity of their pictures (1 for identical ones)."""


def find_near_duplicates(
    records: Sequence[Record], content: Mapping[str, str], thumbnails: Mapping[str, Thumbnail]
) -> list[NearDuplicate]:
    """
    Near duplicates among images that share neither patient nor exact content.

    Args:
        content: each id's hash, from ``check_dataset``.
        thumbnails: each id's thumbnail; ids without one are not compared.

    Returns:
        Pairs in order of id; a chain of pairs connects all near duplicates of one picture.
    """
    compared: list[str] = []
    group: list[int] = []
    for number, members in enumerate(groups_of(records, content)):
        # One of several identical images is enough.
        distinct = {content[record["id"]]: record["id"] for record in reversed(members) if record["id"] in thumbnails}
        compared += distinct.values()
        group += [number] * len(distinct)
    pairs = near_duplicates([thumbnails[key] for key in compared], group)
    named = [(compared[first], compared[second], likeness) for first, second, likeness in pairs]
    return sorted((min(first, second), max(first, second), likeness) for first, second, likeness in named)


def join_near_duplicates(content: Mapping[str, str], pairs: Sequence[NearDuplicate]) -> dict[str, str]:
    """
    Give all near duplicates of one picture the same hash, so that splits treat them as duplicates.

    Args:
        content: each id's hash.
        pairs: from ``find_near_duplicates``.

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
