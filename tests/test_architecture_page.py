# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md names the rooms, modules and functions of today's code."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_architecture import FLOORS, PACKAGE

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = set().union(*FLOORS)
ROWS = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.M)
NAMES = sorted(
    name
    for name in set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", PAGE))
    if name.partition(".")[0] in ROOMS and not name.endswith(".json")
)


def test_every_room_is_on_the_page_on_its_floor():
    assert [(int(floor), room) for floor, room in ROWS if room not in FLOORS[int(floor) - 1]] == []
    assert sorted(room for _, room in ROWS) == sorted(ROOMS)


def test_the_journeys_go_through_the_code():
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists(name):
    """A module, or what a module holds; the longest part of the name that is a module is imported."""
    *parts, last = name.split(".")
    while parts and not any(PACKAGE.joinpath(*parts).with_suffix(suffix).exists() for suffix in ("", ".py")):
        last = f"{parts.pop()}.{last}"
    assert parts, f"no module of monai_kd is named in {name}"
    found = import_module(".".join(("monai_kd", *parts)))
    for attribute in last.split("."):
        found = getattr(found, attribute)
