# SPDX-License-Identifier: Apache-2.0
"""The C++ examples compile, and give the masks that Python gives."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from PIL import Image

from monai_kd.export.forms.onnx_file import write_onnx
from monai_kd.export.graph import RawNetwork
from monai_kd.networks import StudentUNet

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "cpp"
LIBRARY = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"), None)
ROOT = os.environ.get("ONNXRUNTIME_ROOT", "/usr")
HEADERS = [*Path(ROOT, "include").glob("onnxruntime_cxx_api.h"), *Path(ROOT, "include").glob("*/onnxruntime_cxx_api.h")]


MISSING = "" if LIBRARY and shutil.which("cmake") else "cmake and the library of the Python package"
MISSING = MISSING if HEADERS else "ONNX Runtime's C++ headers: set ONNXRUNTIME_ROOT to a release of it"
compiled = pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Run one of the compiled programs by its name."""
    folder = tmp_path_factory.mktemp("cpp")
    build = ["cmake", "-S", EXAMPLE, "-B", folder / "build", f"-DONNXRUNTIME_ROOT={ROOT}"]
    subprocess.run([*build, f"-DONNXRUNTIME_LIBRARY={LIBRARY}"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", folder / "build", "--parallel", "2"], check=True, capture_output=True)
    (folder / LIBRARY.name.rpartition(".so")[0]).with_suffix(".so.1").symlink_to(LIBRARY)  # by which it is loaded

    def run(name, *words):
        command = [folder / "build" / name, *map(str, words)]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    return run


@pytest.mark.parametrize(("name", "lines"), [("segment", 85), ("segment_volume", 165)])
def test_it_is_short(name, lines):
    assert len((EXAMPLE / f"{name}.cpp").read_text().splitlines()) <= lines


@pytest.fixture(scope="module")
def volume_student(tmp_path_factory):
    """A network for volumes with three classes, and the folder of its student.onnx."""
    torch.manual_seed(0)
    network = StudentUNet(3, 1, 3, channels=(2, 4), strides=[(2, 2, 1), 2]).eval()
    folder = tmp_path_factory.mktemp("volume")
    write_onnx(RawNetwork(network), (1, 1, 8, 8, 16), folder / "student.onnx")
    return network, folder


@compiled
def test_it_gives_the_mask_that_python_gives(program, exported, images, tmp_path):
    picture = Image.open(images / "original" / "000001.png").convert("L")
    picture.save(tmp_path / "a.pgm")
    (tmp_path / "cut.pgm").write_bytes((tmp_path / "a.pgm").read_bytes()[:300])
    student = exported.forms()["onnx"]
    assert program("segment", student, tmp_path / "a.pgm", tmp_path / "mask.pgm").returncode == 0
    session = onnxruntime.InferenceSession(str(student))
    (wanted,) = session.run(["mask"], {"image": np.asarray(picture)[None, None]})
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.pgm")), wanted[0] * 255) and wanted.any()
    refused = program("segment", student, tmp_path / "cut.pgm", tmp_path / "mask.pgm")
    assert refused.returncode == 1 and "cut.pgm is cut off" in refused.stderr


@compiled
@pytest.mark.parametrize(("overlap", "mode"), [(0.6, "gaussian"), (0.25, "constant")])
def test_windows_of_a_volume_are_joined_as_monai_joins_them(program, volume_student, overlap, mode):
    network, folder = volume_student
    volume = torch.randn(21, 17, 9, generator=torch.Generator().manual_seed(0))  # thinner than a window
    np.save(folder / "volume.npy", volume.numpy())
    masks = [folder / "mask.npy", folder / "logits.npy"]
    done = program("segment_volume", folder / "student.onnx", folder / "volume.npy", "8,8,16", overlap, mode, *masks)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        inferer = SlidingWindowInferer((8, 8, 16), overlap=overlap, mode=mode)
        wanted = inferer(volume[None, None], network)[0].numpy()
    mask, logits = map(np.load, masks)
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert mask.dtype == np.uint8 and (mask != wanted.argmax(0)).mean() < 1e-3 and len(np.unique(mask)) == 3


@compiled
def test_what_is_no_volume(program, volume_student, tmp_path):
    student = volume_student[1] / "student.onnx"
    np.save(tmp_path / "double.npy", np.zeros((8, 8, 8)))
    np.save(tmp_path / "whole.npy", np.zeros((8, 8, 8), np.float32))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-1])
    for name, message in (("double", "no NumPy file of float32"), ("cut", "is cut off"), ("none", "no NumPy file")):
        words = [tmp_path / f"{name}.npy", "8,8,8", 0.5, "gaussian", tmp_path / "m.npy", tmp_path / "l.npy"]
        refused = program("segment_volume", student, *words)
        assert refused.returncode == 1 and message in refused.stderr, name
    words = [tmp_path / "whole.npy", *words[1:]]
    write_onnx(RawNetwork(torch.nn.Conv3d(1, 2, 2, padding=1)), (1, 1, 8, 8, 8), tmp_path / "larger.onnx")
    assert "cannot take this window" in program("segment_volume", tmp_path / "larger.onnx", *words).stderr
    assert "Usage" in program("segment_volume", student).stderr and not (tmp_path / "m.npy").exists()
