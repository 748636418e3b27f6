# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.reliability.bad_input import all_attempts

ROOT = Path(__file__).parents[2]


def test_there_are_hundreds_and_no_two_alike():
    names = Counter((attempt.group, attempt.name) for attempt in all_attempts())
    assert len(names) == names.total() > 700


def test_a_sample_of_them_gets_one_clear_error_each():
    """All of them take minutes: python -m tests.reliability.bad_input."""
    command = [sys.executable, "-m", "tests.reliability.bad_input", "--every", "23"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| **all** |" in run.stdout


def test_what_is_not_refused_is_told():
    """The judge can tell: a sound file is no bad input, and a table is printed all the same."""
    code = """
import sys
from pathlib import Path
from tests.reliability import bad_input
from tests.reliability.attempt import Attempt, judge

def silent(folder):
    return lambda: None

def raw(folder):
    return lambda: [][1]

def left(folder):
    def fail():
        (folder / "half.png").write_bytes(b"")
        raise ValueError("scan.png is cut off. Copy it again.")
    return fail

def clear(folder):
    def fail():
        raise ValueError("scan.png is cut off. Copy it again.")
    return fail

for prepare in (silent, raw, left, clear):
    print(prepare.__name__, judge(Attempt("group", "name", prepare, ("scan.png",))))
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    silent, raw, left, clear = run.stdout.splitlines()
    assert "status 0" in silent and "'scan.png' is not named" in silent
    assert "status 70" in raw and "Traceback" in raw
    assert "left behind: half.png" in left and clear == "clear []"
