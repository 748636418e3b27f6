# SPDX-License-Identifier: Apache-2.0
"""The C++ example compiles, and gives the mask that Python gives."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "cpp"
LIBRARY = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"), None)
ROOT = os.environ.get("ONNXRUNTIME_ROOT", "/usr")
HEADERS = [*Path(ROOT, "include").glob("onnxruntime_cxx_api.h"), *Path(ROOT, "include").glob("*/onnxruntime_cxx_api.h")]


def test_it_is_short():
    assert len((EXAMPLE / "segment.cpp").read_text().splitlines()) <= 85


@pytest.mark.skipif(not HEADERS, reason="needs ONNX Runtime's C++ headers: set ONNXRUNTIME_ROOT to a release of it")
@pytest.mark.skipif(not (LIBRARY and shutil.which("cmake")), reason="needs cmake and the library of the Python package")
def test_it_gives_the_mask_that_python_gives(exported, images, tmp_path):
    build = ["cmake", "-S", EXAMPLE, "-B", tmp_path / "build", f"-DONNXRUNTIME_ROOT={ROOT}"]
    subprocess.run([*build, f"-DONNXRUNTIME_LIBRARY={LIBRARY}"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, capture_output=True)
    (tmp_path / LIBRARY.name.rpartition(".so")[0]).with_suffix(".so.1").symlink_to(LIBRARY)  # by which it is loaded
    picture = Image.open(images / "original" / "000001.png").convert("L")
    picture.save(tmp_path / "a.pgm")
    (tmp_path / "cut.pgm").write_bytes((tmp_path / "a.pgm").read_bytes()[:300])

    def segment(name):
        command = [tmp_path / "build" / "segment", exported.forms()["onnx"], tmp_path / name, tmp_path / "mask.pgm"]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    assert segment("a.pgm").returncode == 0
    session = onnxruntime.InferenceSession(str(exported.forms()["onnx"]))
    (wanted,) = session.run(["mask"], {"image": np.asarray(picture)[None, None]})
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.pgm")), wanted[0] * 255) and wanted.any()
    refused = segment("cut.pgm")
    assert refused.returncode == 1 and "cut.pgm is cut off" in refused.stderr
