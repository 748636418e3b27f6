# SPDX-License-Identifier: Apache-2.0
"""What only shows when images are compared: duplicates, and patients whose images contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from monai_kd.data.duplicates import NearDuplicate
from monai_kd.data.inspection.facts import Facts
from monai_kd.data.inspection.problems import Problem
from monai_kd.utils.messages import first_few

SAME_OUTLINE = 0.7  # Dice of two lesions' outlines, on 32 × 32 squares, of one picture that was cropped a little


def set_problems(
    facts: Sequence[Facts], duplicates: Sequence[tuple[str, ...]], near: Sequence[NearDuplicate]
) -> list[Problem]:
    """
    The problems between records.

    Args:
        facts: of every record.
        duplicates: ids of equal images.
        near: near duplicates.
    """
    by_id = {item.id: item for item in facts}
    found = []
    for ids in duplicates:
        found.append(Problem("duplicates", ids, f"{first_few(ids)} are the same image"))
        found += _disagreement([by_id[key] for key in ids], _other_mask)
    for first, second, likeness in near:
        both = f"{first} and {second} show the same picture (correlation {likeness:.2f})"
        found.append(Problem("near duplicates", (first, second), both))
        found += _disagreement([by_id[first], by_id[second]], _other_outline)
    return found + _contradictory_patients(facts)


def exact_duplicates(facts: Sequence[Facts]) -> list[tuple[str, ...]]:
    """Ids of images with the same pixels, each list in order of id."""
    ids: dict[str, list[str]] = defaultdict(list)
    for item in facts:
        if item.image:
            ids[item.image.content].append(item.id)
    return sorted(tuple(sorted(same)) for same in ids.values() if len(same) > 1)


def _disagreement(same: Sequence[Facts], differ: Callable[[Facts, Facts], bool]) -> list[Problem]:
    what = []
    if len(set(map(_pathology, same))) > 1:
        what.append("pathologies " + ", ".join(f"{_pathology(item)} ({item.id})" for item in same))
    if any(differ(same[0], other) for other in same[1:]):
        what.append("masks")
    ids = tuple(item.id for item in same)
    message = f"{first_few(ids)} are the same picture, but differ in {' and '.join(what)}"
    return [Problem("duplicates disagree", ids, message)] if what else []


def _other_mask(first: Facts, second: Facts) -> bool:
    return bool(first.mask and second.mask and first.mask.content != second.mask.content)


def _other_outline(first: Facts, second: Facts) -> bool:
    if not (first.mask and second.mask):
        return False
    one, other = first.mask.outline, second.mask.outline
    filled = int(one.sum() + other.sum())
    return filled > 0 and 2 * int(np.sum(one & other)) / filled < SAME_OUTLINE


def _contradictory_patients(facts: Sequence[Facts]) -> list[Problem]:
    of_patient: dict[str, list[Facts]] = defaultdict(list)
    for item in facts:
        of_patient[str(item.record["patient"])].append(item)
    found = []
    for patient, images in of_patient.items():
        pathologies = sorted(set(map(_pathology, images)))
        if len(pathologies) > 1:
            message = f"patient {patient} is {' and '.join(pathologies)} in {first_few(item.id for item in images)}"
            found.append(Problem("patient of several pathologies", tuple(item.id for item in images), message))
    return found


def _pathology(facts: Facts) -> str:
    return str(facts.record.get("pathology", "unknown"))
