# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monai_kd.utils.folder_lock import locked

ROOT = Path(__file__).parents[2]
HOLD = "from pathlib import Path; from monai_kd.utils.folder_lock import hold; hold(Path({folder!r}))\n"


def start(folder, then):
    code = HOLD.format(folder=str(folder)) + then
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def test_a_process_that_ends_leaves_no_lock(tmp_path):
    for then in ("", "raise SystemExit(3)", "1 / 0"):
        start(tmp_path, then)
        assert not list(tmp_path.iterdir())


def test_a_forked_process_leaves_its_parents_lock(tmp_path):
    forks = "import os; child = os.fork(); child == 0 and exit(); os.waitpid(child, 0);"
    told = start(tmp_path, f"{forks} print(os.listdir({str(tmp_path)!r}))")
    assert told.stdout.strip() == "['.lock']", told.stderr
    assert not list(tmp_path.iterdir())


CHILD = """
import subprocess, sys
from pathlib import Path
from monai_kd.utils.folder_lock import locked
claim = {claim!r}
with locked(Path({folder!r})):
    wait = "import time; print('held', flush=True); time.sleep(60)"
    first = subprocess.Popen([sys.executable, "-c", claim + wait], stdout=subprocess.PIPE, text=True)
    print(first.stdout.readline().strip())
    second = subprocess.run([sys.executable, "-c", claim], capture_output=True, text=True)
    print(second.stderr.splitlines()[-1])
    first.kill()
"""


def test_children_of_a_process_work_where_it_does_one_at_a_time(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(folder=str(tmp_path), claim=2 * HOLD.format(folder=str(tmp_path)))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "held"
    assert "is being worked on by another process" in second


def test_what_a_process_has_claimed_it_may_lock(tmp_path):
    inside = "from monai_kd.utils.folder_lock import locked\nwith locked(Path(FOLDER)): pass"
    inside += "\nimport os; print(os.listdir(FOLDER))"
    told = start(tmp_path, inside.replace("FOLDER", repr(str(tmp_path))))
    assert told.stdout.strip() == "['.lock']", told.stderr


def test_a_folder_that_is_locked_is_not_locked_twice(tmp_path):
    twice = pytest.raises(ValueError, match=rf"another process \(process {os.getpid()} on")
    with locked(tmp_path), twice, locked(tmp_path):
        pass


CLAIM = """
from pathlib import Path
from monai_kd.utils.atomic_files import claim_outputs
claim_outputs({folder!r}, {{"checkpoint": {folder!r} + "/models/model.pt"}})
"""


@pytest.mark.parametrize(("then", "left"), [("1 / 0", []), ("Path({folder!r}, 'log').touch(); 1 / 0", ["log"])])
def test_a_run_that_wrote_nothing_leaves_no_folder(then, left, tmp_path):
    """A folder that was there before stays."""
    for place, is_old in ((tmp_path / "a" / "new", False), (tmp_path / "old", True)):
        if is_old:
            place.mkdir()
        code = CLAIM.format(folder=str(place)) + then.format(folder=str(place))
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        assert (
            "ZeroDivisionError"
            in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False).stderr
        )
        assert place.exists() == (is_old or bool(left))
        assert [path.name for path in place.glob("*")] == left
    assert (tmp_path / "a").exists() == bool(left)
