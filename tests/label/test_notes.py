# SPDX-License-Identifier: Apache-2.0
"""The server's own notes: clients cannot write them, and broken ones do no harm."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException
from monailabel.tasks.activelearning.first import First

from monai_kd.label.requests.notes import OWN, client_notes
from monai_kd.label.studies.datastore import StudyDatastore
from monai_kd.label.studies.disagreement import MostDisagreement
from monai_kd.label.studies.kept_dice import Dice
from monai_kd.label.studies.strategies import Unseen
from tests.data.layout_fixtures import lesion, speckle, write_image

BROKEN = [
    {"strategy": [1]},
    {"strategy": "x"},
    {"strategy": {"random": 1, "disagreement": [1]}},
    {"strategy": {"random": {"ts": "soon"}, "disagreement": {"ts": None}}},
    {"strategy": {"random": {"ts": 4e9 * 10}, "disagreement": {"ts": -1}}},
    {"disagreement": "high"},
    {"disagreement": None},
    {"disagreement_networks": [1]},
    {"ts": {}, "name": 7, "path": [], "user": 1, "weight": "x", "id": 3},
]


@pytest.fixture
def study(tmp_path):
    for key in "abc":
        write_image(tmp_path / f"{key}.png", speckle(1))
    return tmp_path


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_client_writes_none_of_the_servers_own(name):
    assert client_notes({"who": "me", "label_info": [1]}) == {"who": "me", "label_info": [1]}
    with pytest.raises(HTTPException, match=f"400: The notes '{name}' are the server's own"):
        client_notes({name: 1, "who": "me"})


@pytest.mark.parametrize("notes", BROKEN, ids=lambda notes: str(notes)[:40])
def test_nobody_writes_them_broken(study, notes):
    store = StudyDatastore(study)
    with pytest.raises(HTTPException, match=r"400: The note .* is the server's own and cannot be"):
        store.update_image_info("a", notes)


@pytest.mark.parametrize("notes", BROKEN, ids=lambda notes: str(notes)[:40])
@pytest.mark.parametrize("strategy", ["random", "disagreement", "first"])
def test_a_broken_note_keeps_nobody_from_the_next_image(study, notes, strategy):
    StudyDatastore(study)
    path = study / "datastore_v2.json"
    content = json.loads(path.read_text())
    content["objects"]["a"]["image"]["info"] |= notes
    path.write_text(json.dumps(content))
    store = StudyDatastore(study)
    chooser = {"random": Unseen, "disagreement": MostDisagreement, "first": First}[strategy]()
    for _ in range(3):
        assert chooser({"strategy": strategy}, store)["id"] in "abc"
    shown = {**store.get_image_info("a").get("strategy", {}), strategy: {"ts": int(time.time()), "client_id": "me"}}
    store.update_image_info("a", {"strategy": shown})
    assert store.get_image_info("a")["strategy"][strategy]["client_id"] == "me"


def test_a_broken_note_on_a_label_keeps_nobody_from_the_scores(study):
    for tag in ("final", "original"):
        write_image(study / "labels" / tag / "a.png", lesion(1).astype("uint8"))
    StudyDatastore(study)
    path = study / "datastore_v2.json"
    content = json.loads(path.read_text())
    content["objects"]["a"]["labels"]["original"]["info"] = {"ts": [], "dice": "x", "dice_ts": 1}
    path.write_text(json.dumps(content))
    assert Dice()({}, StudyDatastore(study)) == {"dice": {"a": 1.0}}


def test_all_images_shown_in_this_second_are_drawn_from_all_the_same(study):
    store = StudyDatastore(study)
    for key in "abc":
        store.update_image_info(key, {"strategy": {"random": {"ts": int(time.time())}}})
    assert {Unseen()({"strategy": "random"}, store)["id"] for _ in range(60)} == {"a", "b", "c"}


def test_too_many_notes_are_refused(study):
    with pytest.raises(HTTPException, match=r"400: The notes have .* bytes"):
        StudyDatastore(study).update_image_info("a", {"a": "x" * 70_000})
