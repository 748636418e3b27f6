# SPDX-License-Identifier: Apache-2.0
import errno
import json
import os
import stat
from pathlib import Path

import pytest

from monai_kd.files import atomic_folder, atomic_write, read_json, require_writable
from tests.checks import small_files_only


@pytest.fixture
def former(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("former")
    return path


def assert_survived(path):
    assert [p.name for p in path.parent.iterdir()] == ["scores.csv"]
    assert path.read_text() == "former"


def test_new_file_in_a_new_folder(tmp_path):
    path = tmp_path / "a" / "b" / "table.csv"
    with atomic_write(str(path)) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_former_file_is_there_until_the_end(former):
    with atomic_write(former) as temporary:
        temporary.write_text("new")
        assert former.read_text() == "former"
    assert former.read_text() == "new"


@pytest.mark.parametrize("name", ["image.nii.gz", "model.pt", "picture.png"])
def test_temporary_file_is_beside_it_with_the_same_suffixes(tmp_path, name):
    with atomic_write(tmp_path / name) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".") and temporary.name.endswith(name)


def test_folder_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link" / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt("stop"), ValueError("own words")], ids=repr)
def test_error_in_the_block_leaves_the_former_file(former, error):
    with pytest.raises(type(error), match=str(error)), atomic_write(former) as temporary:
        temporary.write_text("half")
        raise error
    assert_survived(former)


def test_failed_write_is_told_and_leaves_the_former_file(former):
    message = r"Writing '.*/scores\.csv' failed: File too large\. Free some space; a former file is still there\."
    with small_files_only(10), pytest.raises(ValueError, match=message), atomic_write(former) as temporary:
        temporary.write_text("x" * 100)
    assert_survived(former)


def test_failed_rename_leaves_the_former_file(former, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"scores\.csv' failed: No space left"):
        patch.setattr(os, "replace", fail)
        with atomic_write(former) as temporary:
            temporary.write_text("new")
    assert_survived(former)


def test_folder_where_nothing_can_be_written(former):
    message = r"Cannot write to the folder '.*/scores\.csv': .+\. Choose one that is writable\."
    with pytest.raises(ValueError, match=message), atomic_write(former / "below.csv"):
        pytest.fail("the block must not run")
    with (
        pytest.raises(ValueError, match=r"Cannot write to the folder '.*/scores\.csv/a': "),
        atomic_write(former / "a/b"),
    ):
        pytest.fail("the block must not run")
    assert_survived(former)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(former):
    former.parent.chmod(0o500)
    try:
        with pytest.raises(ValueError, match="Permission denied"), atomic_write(former):
            pytest.fail("the block must not run")
    finally:
        former.parent.chmod(0o700)
    assert_survived(former)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "new") as temporary:
            temporary.write_text("new")
        Path(tmp_path / "ordinary").write_text("new")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "ordinary")]
    assert modes[0] == modes[1] == 0o666 & ~umask


def test_what_a_kill_left_behind_is_gone_after_the_next_write(former):
    former.with_name(f".partial-{former.name}").write_text("half")
    with atomic_write(former) as temporary:
        temporary.write_text("new")
    assert [p.name for p in former.parent.iterdir()] == ["scores.csv"]


def test_folder_is_made_and_tried(tmp_path, former):
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    with pytest.raises(ValueError, match=r"Cannot write to the folder '.*/scores\.csv': "):
        require_writable(former)


@pytest.mark.parametrize("exists", [False, True])
def test_folder_is_there_only_when_whole(tmp_path, exists):
    out = tmp_path / "a" / "out"
    if exists:
        out.mkdir(parents=True)
    with atomic_folder(out) as temporary:
        (temporary / "below").mkdir()
        (temporary / "below" / "file").write_text("new")
        assert temporary.parent == out.parent and not list(out.glob("*"))
    assert (out / "below" / "file").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt("stop"), FileNotFoundError("No file x")])
def test_error_in_the_block_leaves_no_folder(tmp_path, error):
    with pytest.raises(type(error), match=str(error)), atomic_folder(tmp_path / "out") as temporary:
        (temporary / "half").write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "file", "file/below"])
def test_folder_in_use_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(ValueError, match=r"Choose a folder|is not empty|is a file"),
        atomic_folder(tmp_path / name),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_full_disk_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"No space left.*Free some space"), atomic_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_way_is_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with atomic_write(tmp_path / "new") as temporary:
        place = temporary
        temporary.touch()
    try:
        place.symlink_to(tmp_path / "mine")
    except OSError:
        pytest.skip("no symbolic links here")
    with atomic_write(tmp_path / "new") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "mine").read_text() == "mine" and (tmp_path / "new").read_text() == "new"


def test_json_is_read_as_it_stands(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"é": [1, None]}, ensure_ascii=False), encoding="utf-8")
    assert read_json(path) == read_json(str(path)) == {"é": [1, None]}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"], ids=["empty", "cut", "no UTF-8"])
def test_what_is_not_json_is_told_with_its_remedy(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^'.*a\.json' is not JSON: .*\. Restore it\.$"):
        read_json(path)
    with pytest.raises(ValueError, match=r"is not JSON: .*\. Write it again\.$"):
        read_json(path, remedy="Write it again.")


def test_json_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_json(tmp_path / "none.json")
