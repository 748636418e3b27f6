# SPDX-License-Identifier: Apache-2.0
"""The images that a contact sheet shows, the worst first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from monai_kd.data.inspection.facts import Facts
from monai_kd.data.inspection.inspection import Inspection
from monai_kd.data.inspection.problem_kinds import KINDS, Problem
from monai_kd.utils.messages import first_few

ROW = 6  # pictures side by side
OF_KIND = 2 * ROW  # pictures for one kind of problem
FOLDERS = re.compile(r"\S*[/\\](?=\S)")


class Pick(NamedTuple):
    """A picture to show, and its caption below the id."""

    facts: Facts
    words: str


class Section(NamedTuple):
    """Pictures under one heading."""

    title: str
    picks: list[Pick]
    is_grave: bool = False


def sections(inspection: Inspection, limit: int) -> list[Section]:
    """
    Each kind of problem, then the extremes, then a regular sample of the other images; ``limit`` pictures at most.
    """
    by_id = {item.id: item for item in inspection.facts}
    shown: list[Section] = []
    for kind in KINDS:
        _add(shown, _of_kind(kind, [problem for problem in inspection.problems if problem.kind == kind], by_id), limit)
    concerned = {key for problem in inspection.problems for key in problem.ids}
    sound = [item for item in inspection.facts if item.id not in concerned]
    _add(shown, _lesions(sound), limit)
    _add(shown, _grays(sound), limit)
    used = {pick.facts.id for section in shown for pick in section.picks}
    others = [item for item in sound if item.id not in used]
    typical = others[:: max(1, len(others) // OF_KIND)][:OF_KIND]
    _add(shown, Section("A sample of the others", [Pick(item, _area(item)) for item in typical]), limit)
    return shown


def _add(shown: list[Section], section: Section, limit: int) -> None:
    room = limit - sum(len(former.picks) for former in shown)
    if section.picks and room > 0:
        shown.append(section._replace(picks=section.picks[:room]))


def _of_kind(kind: str, problems: Sequence[Problem], by_id: dict[str, Facts]) -> Section:
    picks: list[Pick] = []
    for problem in problems:
        members = problem.ids[:ROW]
        if len(picks) + len(members) > OF_KIND:
            break
        picks += [Pick(by_id[key], _reason(problem, key)) for key in members]
    total = len({key for problem in problems for key in problem.ids})
    some = f", {len(picks)} shown" if len(picks) < total else ""
    title = f"{kind[:1].upper()}{kind[1:]}: {total} image{'s' if total > 1 else ''}{some}"
    return Section(title, picks, KINDS[kind].prevents_training)


def _reason(problem: Problem, key: str) -> str:
    """A problem's message, shortened for a caption."""
    others = [other for other in problem.ids if other != key]
    if others:
        return f"with {first_few(others, 3)}"
    return FOLDERS.sub("", problem.message.removeprefix(f"{key}: "))


def _lesions(sound: Sequence[Facts]) -> Section:
    by_area = sorted((item for item in sound if item.mask and item.mask.pixels), key=_fraction)
    return Section("Smallest and largest lesions", [Pick(item, _area(item)) for item in _ends(by_area)])


def _grays(sound: Sequence[Facts]) -> Section:
    picks = [Pick(item, f"gray value {_mean(item):.0f} on average") for item in _ends(sorted(sound, key=_mean))]
    return Section("Darkest and brightest images", picks)


def _ends(items: Sequence[Facts]) -> list[Facts]:
    half = ROW // 2
    return [*items[:half], *items[half:][-half:]]


def _fraction(facts: Facts) -> float:
    return facts.mask.fraction if facts.mask else 0.0


def _mean(facts: Facts) -> float:
    return facts.image.mean if facts.image else 0.0


def _area(facts: Facts) -> str:
    pathology = str(facts.record.get("pathology", "unknown"))
    size = " × ".join(map(str, facts.image.size)) if facts.image else ""
    return f"{_fraction(facts):.1%} of {size}" + (f", {pathology}" if pathology != "unknown" else "")
