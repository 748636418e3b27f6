# SPDX-License-Identifier: Apache-2.0
import errno
import itertools
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from monai_kd.utils.atomic_files import atomic_folder, atomic_write, claim_outputs, require_writable
from tests.helpers import small_files_only


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
    message = (
        r"Writing '.*/scores\.csv' failed: File too large\. Free some space\. An earlier file there is unchanged\."
    )
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


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "last.pt"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second" and first.read_text() == "first"
    assert path.read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]


KILLED = """
import os, signal, sys
from monai_kd.utils.atomic_files import atomic_folder, atomic_write
kind, path = sys.argv[1:]
with {"file": atomic_write, "folder": atomic_folder}[kind](path) as temporary:
    (temporary / "half" if kind == "folder" else temporary).write_text("half")
    print(temporary, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def writer(kind, path):
    """A process in the middle of writing; killed at the end."""
    command = [sys.executable, "-c", KILLED, kind, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Path(process.stdout.readline().strip())
    finally:
        process.communicate("\n")
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path, kind):
    path = tmp_path / "out"
    write = {"file": atomic_write, "folder": atomic_folder}[kind]
    with writer(kind, path) as theirs, write(path) as own:
        assert theirs.exists() and own != theirs
        (own if kind == "file" else own / "file").write_text("whole")
    assert theirs.exists()  # a killed process removes nothing
    assert (path if kind == "file" else path / "file").read_text() == "whole"
    if kind == "folder":
        shutil.rmtree(path)
    with writer(kind, path), writer(kind, path):
        pass
    for _ in range(2):
        with write(path) as own:
            (own if kind == "file" else own / "file").write_text("again")
        assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
        if kind == "folder":
            shutil.rmtree(path)


def test_a_folder_named_after_the_process_of_a_killed_one_blocks_nothing(tmp_path):
    """In containers, several processes may have the same id."""
    (tmp_path / f".partial-out-{os.getpid()}").mkdir()
    (tmp_path / f".partial-out-{os.getpid()}" / "half").write_text("half")
    (tmp_path / ".partial-out-of-mine").mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".partial-out-of-mine", "out"]


class Foreign(Exception):
    """The error of a C++ library for a full disk."""


@pytest.mark.parametrize("error", [Foreign("write failed"), ValueError("cannot be exported")], ids=repr)
def test_full_disk_is_named_whatever_the_library_says(tmp_path, error):
    message = r"folder .*/out: File too large.*Free some space"
    with small_files_only(1000), pytest.raises(ValueError, match=message), atomic_folder(tmp_path / "out") as temporary:
        try:
            (temporary / "file").write_bytes(b"x" * 2000)
        except OSError:
            raise error  # noqa: B904
    assert not list(tmp_path.iterdir())


def test_another_error_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(Foreign, match="write failed"), atomic_folder(tmp_path / "out"):
        raise Foreign("write failed")


def same_paths(tmp_path, monkeypatch):
    """Ways to write one and the same file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "teacher.pt"
    file.write_text("weights")
    (tmp_path / "link.pt").symlink_to(file)
    (tmp_path / "linked").symlink_to(file.parent)
    os.link(file, tmp_path / "hard.pt")
    return [file, "models/teacher.pt", "models/../models/teacher.pt", "link.pt", "linked/teacher.pt", "hard.pt"]


def test_output_that_is_an_input_is_refused_however_it_is_written(tmp_path, monkeypatch):
    paths = same_paths(tmp_path, monkeypatch)
    for output, read in itertools.product(paths, paths):
        for given in (str(read), [tmp_path / "other.pt", read]):
            with pytest.raises(ValueError, match=r"^checkpoint and teacher_checkpoint are .*overwritten\. Change one"):
                claim_outputs(tmp_path / "runs", {"checkpoint": output}, {"teacher_checkpoint": given, "none": None})
    assert (tmp_path / "models" / "teacher.pt").read_text() == "weights"
    assert not (tmp_path / "runs").exists()


def test_outputs_that_are_not_there_yet_are_compared(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    files = {"checkpoint": tmp_path / "link" / "last.pt", "last.pt": tmp_path / "runs" / "last.pt"}
    with pytest.raises(ValueError, match=r"^checkpoint and last\.pt are both"):
        claim_outputs(tmp_path / "runs", files)
    with pytest.raises(ValueError, match=r"^output_dir and dataset_dir are both"):
        claim_outputs(tmp_path / "link", inputs={"dataset_dir": tmp_path / "runs"})
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match=r"checkpoint '.*runs' is a folder\. Name a file"):
        claim_outputs(tmp_path / "new", {"checkpoint": tmp_path / "runs"})


def test_images_are_not_written_where_images_are_read(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    read = {"dataset_dir": tmp_path / "data", "checkpoint": tmp_path / "model.pt"}
    for below in ("images", "images/new", "masks"):
        with pytest.raises(ValueError, match=r"output_dir '.*' lies in dataset_dir '.*data'.*folder beside it"):
            claim_outputs(tmp_path / "data" / below, inputs=read, images=True)
    claim_outputs(tmp_path / "masks", inputs=read, images=True)
    claim_outputs(tmp_path / "data" / "runs", inputs=read)  # a training writes no images


HOLDER = """
import sys
from monai_kd.utils.atomic_files import claim_outputs
claim_outputs(sys.argv[1], {"checkpoint": sys.argv[2]})
print("held", flush=True)
sys.stdin.readline()
"""


def start_holder(folder, checkpoint, **environment):
    command = [sys.executable, "-c", HOLDER, str(folder), str(checkpoint)]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env={**os.environ, **environment}, **streams)


def test_one_process_at_a_time_has_a_folder_and_a_checkpoint(tmp_path):
    first = start_holder(tmp_path / "a", tmp_path / "model.pt")
    try:
        assert first.stdout.readline() == "held\n"
        holder = rf"\(process {first.pid} on {platform.node()} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\)"
        places = {"a": ("a", "other.pt"), "model.pt": ("b", "model.pt")}
        for name, (folder, checkpoint) in places.items():
            for _ in range(2):  # a second request gets the same answer
                with pytest.raises(ValueError, match=rf"{name}' is being worked on by another process {holder}\. Wait"):
                    claim_outputs(tmp_path / folder, {"checkpoint": tmp_path / checkpoint})
        second = start_holder(tmp_path / "a", tmp_path / "model.pt", RANK="1")  # of the same training
        assert second.communicate("\n")[0] == "held\n"
    finally:
        first.kill()
        first.communicate()
    claim_outputs(tmp_path / "a", {"checkpoint": tmp_path / "model.pt"})
    claim_outputs(tmp_path / "a", {"checkpoint": tmp_path / "model.pt"})  # the same process, again
