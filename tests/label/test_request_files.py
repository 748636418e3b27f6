# SPDX-License-Identifier: Apache-2.0
"""A client can name the files of its own request, and no other path."""

from __future__ import annotations

import io
import tempfile
import threading
from contextvars import copy_context
from pathlib import Path

import pytest

pytest.importorskip("monailabel")

from monai_kd.label.requests.request_files import file_of_request, new_file, request_files


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A server's folder for temporary files, in its app's."""
    folder = tmp_path / "app" / "tmp"
    folder.mkdir(parents=True)
    (tmp_path / "app" / "main.py").write_text("kept")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_only_the_file_itself_by_its_own_path(temporary):
    with request_files() as files:
        image = files.receive(io.BytesIO(b"x"), "upload.png")
        link, folder = temporary / "link.png", image.parent
        link.symlink_to(image)
        (folder / "other.png").write_bytes(b"x")
        assert file_of_request(str(image)) == image
        words = ["", ".", "..", "/", str(temporary), f"{temporary}/", f"{temporary}/.", f"{temporary}/..", str(folder)]
        words += [f"{folder}/", f"{folder}/..", f"{folder}/../..", f"{folder}/./upload.png", f"{folder}//upload.png"]
        words += [
            f"{folder}/../{folder.name}/upload.png",
            str(link),
            f"{image}/",
            f"{image}\0",
            f"{image}/..",
            "x" * 300,
        ]
        words += [
            str(folder / "other.png"),
            str(temporary.parent / "main.py"),
            "upload.png",
            f"file://{image}",
            None,
            7,
        ]
        assert [word for word in (*words, image, [str(image)]) if file_of_request(word) is not None] == []


def test_only_of_this_request(temporary):
    with request_files() as files:
        image = files.receive(io.BytesIO(b"x"), "upload.png")
        seen = []

        def other():
            with request_files():
                seen.append(file_of_request(str(image)))

        for work in (other, lambda: seen.append(file_of_request(str(image)))):  # a thread without a request, too
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        thread = threading.Thread(target=copy_context().run, args=(lambda: seen.append(file_of_request(str(image))),))
        thread.start()
        thread.join()
    assert seen == [None, None, image] and file_of_request(str(image)) is None


def test_a_replaced_file_is_admitted_no_more(temporary):
    with request_files() as files:
        image = files.receive(io.BytesIO(b"x"), "upload.png")
        image.unlink()
        assert file_of_request(str(image)) is None
        image.symlink_to(temporary.parent / "main.py")
        assert file_of_request(str(image)) is None
        image.unlink()
        image.mkdir()
        assert file_of_request(str(image)) is None


def test_all_of_it_goes_with_the_request_and_what_is_lent_stays(temporary):
    lent = temporary.parent / "session.png"
    lent.write_bytes(b"x")
    with pytest.raises(KeyError), request_files() as files:
        assert files.lend(lent) == file_of_request(str(lent)) == lent
        files.receive(io.BytesIO(b"x"), "upload.png")
        assert new_file(".zip").parent == files.folder
        raise KeyError
    assert lent.is_file() and file_of_request(str(lent)) is None and not list(temporary.iterdir())


def test_a_link_planted_in_the_folder_is_not_followed_when_it_goes(temporary):
    with request_files() as files:
        (files.folder / "link").symlink_to(temporary.parent)
    assert (temporary.parent / "main.py").read_text() == "kept" and not list(temporary.iterdir())


def test_without_a_request_files_are_made_where_python_makes_them(temporary):
    path = new_file(".png")
    assert path.parent == temporary and path.suffix == ".png" and path.is_file()


def test_no_file_is_written_twice(temporary):
    with request_files() as files:
        files.receive(io.BytesIO(b"x"), "upload.png")
        with pytest.raises(FileExistsError):
            files.receive(io.BytesIO(b"y"), "upload.png")
        assert Path(files.folder, "upload.png").read_bytes() == b"x"
