# SPDX-License-Identifier: Apache-2.0
"""Problems that only a comparison of images shows: duplicates, and patients with contradictory images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from monai_kd.data.duplicates import NearDuplicate
from monai_kd.data.inspection.facts import Facts
from monai_kd.data.inspection.problem_kinds import Problem
from monai_kd.utils.messages import first_few

SAME_OUTLINE = 0.7  # smallest Dice of two outlines, on 32 × 32 squares, that show one lesion slightly cropped


def set_problems(
    facts: Sequence[Facts], duplicates: Sequence[tuple[str, ...]], near: Sequence[NearDuplicate]
) -> list[Problem]:
    """
    The problems between records.

    ``duplicates`` holds the ids of identical images, ``near`` the pairs of near duplicates.
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
    """Lists of ids of images with identical pixels, each in order of id."""
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
