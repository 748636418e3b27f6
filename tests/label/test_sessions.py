# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
import tarfile
import uuid
from pathlib import Path

import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException

from monai_kd.label.studies.sessions import CheckedSessions
from tests.data.layout_fixtures import speckle, write_image

GIVEN = "17cc3d88-1307-4e04-a81a-3205bff10c44"
IDS = ["..", ".", "", "../outside", "/etc", "a", GIVEN.upper(), GIVEN.replace("-", ""), None, f"{GIVEN}\n"]


@pytest.fixture
def sessions(tmp_path):
    (tmp_path / "outside").mkdir()
    return CheckedSessions(str(tmp_path / "store"))


def image(tmp_path, name="benign (1).png"):
    return write_image(tmp_path / "upload" / name, speckle(1))


def refused(status, detail):
    return pytest.raises(HTTPException, match=f"^{status}: {detail}")


@pytest.mark.parametrize("name", ["benign (1).png", "é.001.nii.gz", "X.DCM"])
def test_a_session_holds_an_image_until_it_is_removed(sessions, tmp_path, name):
    key, session = sessions.add_session(str(image(tmp_path, name)))
    assert str(uuid.UUID(key)) == key
    for found in (sessions.get_session(key), CheckedSessions(sessions.store_path).get_session(key)):
        assert found.image == session.image == str(tmp_path / "store" / key / name)
    sessions.remove_session(key)
    assert sessions.get_session(key) is None and not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize("key", IDS, ids=repr)
def test_ids_are_those_that_the_server_gives(sessions, tmp_path, key):
    upload = image(tmp_path)
    for call in (sessions.get_session, sessions.remove_session):
        with refused(400, "A session's id is one that PUT /session/ answered with"):
            call(key)
    if key:
        with refused(400, "A session's id"):
            sessions.add_session(str(upload), session_id=key)
    assert (tmp_path / "outside").is_dir() and upload.is_file()


def test_what_is_no_single_image_is_refused(sessions, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "meta.info").write_text("{}")
    write_image(tmp_path / ".hidden.png", speckle(1))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "../../outside/a.png")
    for name, uncompress, match in (
        ("a.png", False, r"'a\.png' cannot be decoded"),
        ("meta.info", False, r"'meta\.info' is a file with the suffix '\.info'"),
        (".hidden.png", False, "An image's file must be a plain file name"),
        ("a.tar", True, "A session takes one image, no archive"),
        ("outside", False, "A session takes one image, no archive and no folder"),
    ):
        with refused(400, match):
            sessions.add_session(str(tmp_path / name), uncompress=uncompress)
    assert not (tmp_path / "store").exists() and not list((tmp_path / "outside").iterdir())


def test_a_full_disk_leaves_no_session(sessions, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    upload = image(tmp_path)
    for owner, name in ((shutil, "move"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with refused(507, "The session could not be written: .*No space left on device"):
                sessions.add_session(str(upload))
        assert not list((tmp_path / "store").iterdir())


def test_expired_sessions_and_those_without_image_go_and_nothing_else(sessions, tmp_path):
    kept, old, lost = (sessions.add_session(str(image(tmp_path)))[0] for _ in range(3))
    Path(sessions.get_session(lost).image).unlink()
    meta = tmp_path / "store" / old / "meta.info"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "last_access_ts": 1}))
    (tmp_path / "store" / "not a session").mkdir()
    assert sessions.remove_expired() == 2
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted([kept, "not a session"])
