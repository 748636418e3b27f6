# SPDX-License-Identifier: Apache-2.0
"""The page's scripts run without torch and MONAI; and MONAI's own export commands."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from monai_kd.export import open_bundle
from monai_kd.phantom import phantom_volume
from tests.bundles.conftest import CLASSIFICATION, ROOT

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text().replace("\\\n    ", "")
PICTURE, LOOP, *_ = re.findall(r"^```py\n(.*?)^```", PAGE, re.M | re.S)
BLOCKED = "import sys; sys.modules.update(dict.fromkeys(['torch', 'monai', 'monai_kd', 'ignite']))\n"
SIZES = {"segmentation": [2, 4, 4], "classification": [2, 4, 4, 6], "exported": [2, 4, 4]}


def run_without_torch(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(exported, tmp_path):
    shutil.copytree(exported.folder, tmp_path / "exported")
    return tmp_path


def test_ten_lines_segment_a_picture(folder, images, exported):
    source = images / "original" / "000001.png"
    shutil.copy(source, folder / "picture.png")
    assert len(PICTURE.strip().splitlines()) <= 10
    assert "of the picture is lesion" in run_without_torch(PICTURE, folder)
    mask = np.asarray(Image.open(folder / "mask.png"))
    assert mask.shape == np.asarray(Image.open(source)).shape[:2] and set(np.unique(mask)) <= {0, 255}
    with torch.no_grad():
        own = exported.module()(torch.from_numpy(np.array(Image.open(source).convert("L"))[None, None]))[0]
    assert (own[0].numpy() != (mask > 0)).mean() < 1e-4


def test_a_loop(folder):
    volume = phantom_volume(0, size=(64, 48, 16)).image
    frames = [Image.fromarray(volume[..., place].T.copy()) for place in range(16)]
    frames[0].save(folder / "loop.tif", save_all=True, append_images=frames[1:])
    printed = run_without_torch(LOOP, folder).splitlines()
    assert len(printed) == 16 and all(
        re.fullmatch(r"frame \d+: [\d.]+ ms, \d+ pixels of lesion", line) for line in printed
    )


@pytest.fixture(params=["segmentation", "classification", "exported"])
def network(request, exported, tmp_path, monkeypatch):
    """Of a bundle, or of an export's folder, whose copy becomes the working folder."""
    source = {"segmentation": ROOT, "classification": CLASSIFICATION, "exported": exported.folder}[request.param]
    copy = shutil.copytree(source, tmp_path / "bundle", ignore=shutil.ignore_patterns("models", "runs", "studies"))
    torch.manual_seed(0)
    network = open_bundle(copy, student_channels=SIZES[request.param]).network()
    (copy / "models").mkdir()
    torch.save(network.state_dict(), copy / "models" / "model.pt")
    monkeypatch.chdir(copy)
    monkeypatch.setattr(network, "sizes", ["--student_channels", str(SIZES[request.param])], raising=False)
    return network


def run_monai(name, network, monkeypatch):
    (command,) = re.findall(rf"^\$ python -m (monai\.bundle {name} .*)$", PAGE, re.M)
    monkeypatch.setattr(sys, "argv", [*shlex.split(command), *network.sizes])
    try:
        runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code


def test_monais_commands(network, monkeypatch):
    for name in ("ckpt_export", "onnx_export"):
        run_monai(name, network, monkeypatch)
    image = torch.randn(1, 1, 224, 224)
    with torch.no_grad():
        own = network(image)
        assert torch.allclose(torch.jit.load("models/model.ts")(image), own, atol=1e-4)
    session = onnxruntime.InferenceSession("models/model.onnx")
    assert np.allclose(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0], own.numpy(), atol=1e-3)


@pytest.mark.skipif(
    not (find_spec("torch_tensorrt") and torch.cuda.is_available()), reason="needs a GPU and Torch-TensorRT"
)
def test_monais_command_for_tensorrt(network, monkeypatch):
    run_monai("trt_export", network, monkeypatch)
    image = torch.randn(1, 1, 224, 224)
    with torch.no_grad():
        own, exported = network(image), torch.jit.load("models/model_trt.ts")(image.cuda()).float().cpu()
    assert (exported - own).abs().max() < 0.02 * own.abs().max()  # computed in half precision


def test_where_the_time_of_int8_goes(exported, monkeypatch, capsys):
    (command,) = re.findall(r"`python (tests/benchmarks/int8_profile\.py [^`]*)`", PAGE)
    script, _, *written = shlex.split(command)
    small = ["--size", "48", "--rounds", "2", "--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", [script, str(exported.folder), *written, *small])
    runpy.run_path(str(Path(__file__).parents[2] / script), run_name="__main__")
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[2][0] == "| convolutions" and len(rows) == 8
    *parts, together = [float(row[1]) for row in rows[2:] if row[1] != "–"]
    assert 0 < max(parts) < together
