# SPDX-License-Identifier: Apache-2.0
"""MONAI's reader loads ITK's libraries in a thread: the program stays in its working folder meanwhile, as with ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.dicom_fixtures import write_dicom
from tests.data.layout_fixtures import speckle

pytest.importorskip("itk")

WATCHED = """
import os, threading
import monai_kd.data
from monai.data import ITKReader

reader = threading.Thread(target=ITKReader().read, args=("image.dcm",))
reader.start()
seen = []
while reader.is_alive():
    seen.append(os.getcwd())
    reader.join(0.001)
print(len(seen), *sorted(set(seen)), sep="\\n")
"""


def test_reading_dicom_in_a_thread_leaves_the_working_folder(tmp_path):
    write_dicom(tmp_path / "image.dcm", speckle(1))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    looks, *folders = done.stdout.splitlines()
    assert int(looks) > 20
    assert folders == [str(tmp_path.resolve())]
