# SPDX-License-Identifier: Apache-2.0
"""What a user imports from `monai_kd` itself: this list, and each name is described in the reference."""

import re
from inspect import ismodule
from pathlib import Path

import pytest

import monai_kd

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
NAMES = {
    "CachedTeacher",
    "DistillationTrainer",
    "Distiller",
    "FeatureHookHandler",
    "FeatureHooks",
    "LiveTeacher",
    "Pathway",
    "Pathways",
    "PrepareBatchViews",
    "View",
    "add_loss_term",
    "layer_shapes",
    "load_weights",
    "loss_terms",
}
ROOMS = {
    "data",
    "engines",
    "features",
    "handlers",
    "losses",
    "metrics",
    "networks",
    "pathways",
    "teachers",
    "transforms",
}


def test_the_root_exports_this_list():
    assert set(monai_kd.__all__) == NAMES | ROOMS
    assert {name for name in monai_kd.__all__ if ismodule(getattr(monai_kd, name))} == ROOMS


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_of_the_root_is_in_the_references_first_table(name):
    (room,) = re.findall(rf"`~monai_kd\.(\w+)\.{name}`", (REFERENCE / "index.md").read_text())
    assert getattr(getattr(monai_kd, room), name) is getattr(monai_kd, name)
    assert f"automodule:: monai_kd.{room}\n" in pages()


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_of_the_root_has_a_place_in_the_reference(name):
    assert f"automodule:: monai_kd.{name}\n" in pages()


def test_losses_are_in_one_place():
    assert not set(monai_kd.losses.__all__) & set(dir(monai_kd))


def pages():
    return "".join(page.read_text() for page in REFERENCE.glob("*.md"))
