# SPDX-License-Identifier: Apache-2.0
"""An attack on a running server, with a third of its requests: all are refused, and no file changes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("monailabel")

from tests.label.conftest import ROOT

SCRIPT = ROOT / "tests" / "benchmarks" / "attack_label.py"


def test_every_hostile_request_is_refused_and_all_files_are_as_they_were(tmp_path):
    command = [sys.executable, SCRIPT, "--every", "3", "--seconds", "240"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 faults" in run.stdout and int(run.stdout.rsplit("\n", 2)[1].split()[0]) > 100
