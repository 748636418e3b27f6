# SPDX-License-Identifier: Apache-2.0
"""Names from clients, and foreign studies, that try to reach other files on the server."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException

from monai_kd.label.studies.datastore import StudyDatastore
from tests.data.layout_fixtures import lesion, speckle, write_image

PATHS = [
    "../outside/x",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "..\\x",
    ".hidden",
    "a\x00",
    "a\nb",
    "\ud800",
    " ",
]
PATHS += ["x" * 201, "é" * 101, None, 7, ["a"]]
TAGS = ["../../outside/t", "", ".", "..", "a/b", "a b", "final\n", "é", "x" * 65, None]


@pytest.fixture
def folders(tmp_path, caplog):
    caplog.set_level(logging.WARNING, logger="monailabel")  # it logs what it is given, and pytest cannot send that on
    write_image(tmp_path / "study" / "a.png", speckle(1))
    write_image(tmp_path / "study" / "labels" / "final" / "a.png", lesion(1).astype(np.uint8))
    write_image(tmp_path / "outside" / "secret.png", speckle(2))
    write_image(tmp_path / "upload.png", lesion(1).astype(np.uint8))
    return tmp_path


def everything(folder):
    return {str(path): path.is_file() and path.read_bytes() for path in folder.rglob("*") if path.name != ".lock"}


def status_of(call):
    with pytest.raises(HTTPException) as error:
        call()
    json.dumps(error.value.detail, ensure_ascii=False).encode()  # the server can send it
    return error.value.status_code


@pytest.mark.parametrize("name", PATHS, ids=lambda name: repr(name)[:20])
def test_ids_are_plain_names(folders, name):
    store, upload = StudyDatastore(folders / "study"), str(folders / "upload.png")
    before = everything(folders)
    calls = [
        lambda: store.save_label(name, upload, "final", {}),
        lambda: store.get_image(name),
        lambda: store.get_image_uri(name),
        lambda: store.get_image_info(name),
        lambda: store.update_image_info(name, {}),
        lambda: store.remove_image(name),
        lambda: store.get_label(name, "final"),
        lambda: store.get_label_uri(name, "final"),
        lambda: store.get_label_info(name, "final"),
        lambda: store.update_label_info(name, "final", {}),
        lambda: store.remove_label(name, "final"),
        lambda: store.get_labels_by_image_id(name),
        lambda: store.get_label_by_image_id(name, "final"),
    ]
    if name:  # without one the file's own is taken
        calls.append(lambda: store.add_image(name, upload, {}))
    assert {status_of(call) for call in calls} == {400}
    assert everything(folders) == before


@pytest.mark.parametrize("tag", TAGS, ids=lambda tag: repr(tag)[:20])
def test_tags_are_plain_words(folders, tag):
    store, upload = StudyDatastore(folders / "study"), str(folders / "upload.png")
    before = everything(folders)
    for call in (
        lambda: store.save_label("a", upload, tag, {}),
        lambda: store.get_label("a", tag),
        lambda: store.get_label_uri("a", tag),
        lambda: store.get_label_info("a", tag),
        lambda: store.update_label_info("a", tag, {}),
        lambda: store.remove_label("a", tag),
    ):
        assert status_of(call) == 400
    assert everything(folders) == before


def link(place, target):
    try:
        Path(place).symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")


@pytest.mark.parametrize("place", ["b.png", "labels/final/b.png", "labels/draft"])
def test_a_study_with_links_out_of_it_is_not_served(folders, place):
    link(folders / "study" / place, folders / "outside" / ("secret.png" if place.endswith(".png") else ""))
    with pytest.raises(ValueError, match=r"1 links in .*study lead out of it"):
        StudyDatastore(folders / "study")


def test_links_that_come_later_are_not_followed(folders):
    study = folders / "study"
    store = StudyDatastore(study)
    link(study / "b.png", folders / "outside" / "secret.png")
    link(study / "labels" / "draft", folders / "outside")
    store.refresh()
    assert store.list_images() == ["a"]
    assert status_of(lambda: store.save_label("a", str(folders / "upload.png"), "draft", {})) == 400
    for name in ("a.png", "labels/final/a.png"):
        (study / name).unlink()
        link(study / name, folders / "outside" / "secret.png")
    assert status_of(lambda: store.get_image_uri("a")) == 400
    assert status_of(lambda: store.get_label("a", "final")) == 400
    assert status_of(lambda: store.remove_image("a")) == 400
    assert sorted(path.name for path in (folders / "outside").iterdir()) == ["secret.png"]


@pytest.mark.parametrize(
    "change",
    [
        {"images_dir": "../outside"},
        {"labels_dir": "../outside"},
        {"objects": {"../outside/secret": {"image": {"ext": ".png"}}}},
        {"objects": {"a": {"image": {"ext": "/../../outside/secret.png"}}}},
        {"objects": {"a": {"image": {"ext": ".png"}, "labels": {"../../outside": {"ext": ".png"}}}}},
        {"objects": {"a": {"image": {"ext": ".png"}, "labels": {"final": {"ext": "/../../../../outside/x.png"}}}}},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_list_that_names_other_files_is_refused(folders, change):
    content = {"name": "study", "description": "", "images_dir": ".", "objects": {}, **change}
    (folders / "study" / "datastore_v2.json").write_text(json.dumps(content))
    before = everything(folders)
    with pytest.raises(ValueError, match=r"datastore_v2\.json is damaged \(it names .*outside.*Move it away"):
        StudyDatastore(folders / "study")
    assert everything(folders) == before
