# SPDX-License-Identifier: Apache-2.0
"""Processes that the tests start: also those of a test's own fork."""

import multiprocessing
import subprocess
import sys

from monai_kd import __version__


def _version() -> None:
    command = [sys.executable, "-m", "monai_kd", "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    sys.exit(told.returncode or __version__ not in told.stdout)


def test_a_fork_starts_processes_too():
    fork = multiprocessing.get_context("fork").Process(target=_version)
    command = [sys.executable, "-m", "monai_kd", "--version"]
    assert __version__ in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    fork.start()
    fork.join(180)
    assert fork.exitcode == 0
