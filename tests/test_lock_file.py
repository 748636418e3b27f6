# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOLD = "from pathlib import Path; from monai_kd.lock import hold; hold(Path({folder!r}));"


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
