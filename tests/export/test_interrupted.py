# SPDX-License-Identifier: Apache-2.0
"""A command that is stopped, killed or out of disk space prints one line and leaves no partial file."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.bundles.conftest import ROOT
from tests.export.conftest import SETTINGS
from tests.helpers import children_heed_ctrl_c, small_files_only


def command(checkpoint, out):
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    words = [str(ROOT), "--checkpoint", str(checkpoint), "--output-dir", str(out), "--forms", "onnx,torchscript"]
    return [sys.executable, "-m", "monai_kd", "export", *words, *settings]


def begun(out, seconds=180):
    """Wait until the folder is being filled."""
    end = time.monotonic() + seconds
    while not out.exists() and not list(out.parent.glob(".partial-*/*")):
        assert time.monotonic() < end, "the export does not begin"
        time.sleep(0.01)


def stopped(checkpoint, folder, number):
    """What an export said that a signal stopped, its exit status and its output; one that was faster is made again."""
    for attempt in range(5):
        out = folder / str(attempt) / "exported"
        out.parent.mkdir()
        with children_heed_ctrl_c():
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command(checkpoint, out), **pipes)
        begun(out)
        process.send_signal(number)
        _, told = process.communicate(timeout=300)
        if process.returncode != 0:
            return told, process.returncode, out
    raise AssertionError("five exports have ended before the signal came")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_export_leaves_nothing_that_stays(checkpoint, tmp_path, number):
    told, status, out = stopped(checkpoint, tmp_path, number)
    assert not out.exists()
    if number == signal.SIGINT:
        assert status == 130 and not list(out.parent.iterdir())
        assert told.strip() == "Stopped by Ctrl+C. Unfinished files were removed."
        return
    assert [path.name for path in out.parent.iterdir()] == [".partial-exported"]
    done = subprocess.run(command(checkpoint, out), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["exported"]


@pytest.mark.parametrize("limit", [8_000, 30_000])
def test_a_full_disk_is_named_in_one_line(checkpoint, tmp_path, limit):
    out = tmp_path / "exported"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with small_files_only(limit):
        process = subprocess.Popen(
            command(checkpoint, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
    _, told = process.communicate()
    assert process.returncode == 1 and not list(tmp_path.iterdir())
    assert told.strip() == f"Error: Cannot write the folder {out}: File too large. Free some space."
