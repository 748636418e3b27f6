# SPDX-License-Identifier: Apache-2.0
"""A real nnunetv2 training on phantoms, then the whole way: the teacher here is nnU-Net's own, mask by mask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image

from monai_kd import load_weights
from monai_kd.student_bundle.nnunet.teacher_bundle import write_teacher
from monai_kd.teachers import SoftTargets
from tests.student_bundle.nnunet.fake_results import make_raw
from tests.student_bundle.nnunet.real_training import TRAINER
from tests.student_bundle.nnunet.test_distill import distilled, run, same_grid

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
LABELLED = {True: 5, False: 4}
FOLDS = {True: range(5), False: range(2)}
pytestmark = pytest.mark.skipif(find_spec("nnunetv2") is None, reason="nnunetv2 is missing: pip install '.[nnunet]'")


def has_torchvision():
    code = "import torchvision"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def trained(folder, flat):
    """
    nnU-Net's own training in a process of its own; the folders of the result and of its masks.

    Slices: all five folds of the splits that nnU-Net draws. Volumes: two folds of the user's splits.
    """
    trainers, out = folder / "trainers", folder / "masks_of_nnunet"
    for name in ("nnUNet_preprocessed", "nnUNet_results", "trainers"):
        (folder / name).mkdir()
    (trainers / "seconds.py").write_text(TRAINER)
    raw = folder / "nnUNet_raw" / "Dataset007_Balls"
    cases = make_raw(raw, flat, LABELLED[flat])
    (folder / "nnUNet_preprocessed" / raw.name).mkdir()
    if not flat:
        splits = [{"train": cases[:3], "val": cases[3:]}, {"train": cases[1:], "val": cases[:1]}]
        (folder / "nnUNet_preprocessed" / raw.name / "splits_final.json").write_text(json.dumps(splits))
    described = {"channel_names": {"0": "gray"}, "labels": {"background": 0, "ball": 1}, "numTraining": len(cases)}
    (raw / "dataset.json").write_text(json.dumps({**described, "file_ending": ".png" if flat else ".nii.gz"}))
    places = {name: str(folder / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    found = [str(TESTS / "without_timm")] if not has_torchvision() else []
    environment = {
        **os.environ,
        **places,
        "nnUNet_extTrainer": str(trainers),
        "nnUNet_n_proc_DA": "1",
        "nnUNet_def_n_proc": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([*found, os.environ.get("PYTHONPATH", "")]),
    }
    words = [sys.executable, HERE / "real_training.py", "7", "2d" if flat else "3d_fullres", out, *FOLDS[flat]]
    done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return Path(done.stdout.split("RESULT ")[1].strip()), out


def masks_of_teacher(root, folder, raw):
    """What the translated teacher answers on the test images, through the student's own pipeline."""
    write_teacher(root, raw, folder)
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["dataset_dir"], parser["output_dir"] = str(raw), str(folder / "masks")
    network = load_weights(parser.get_parsed_content("network_def"), folder / "models" / "model.pt")
    dataset, inferer, post = map(parser.get_parsed_content, ("dataset", "inferer", "postprocessing"))
    axes = json.loads((folder / "configs" / "train.json").read_text())["mirror_axes"]
    targets = SoftTargets(folder / "targets", folder / "models" / "model.pt", mirror_axes=axes)
    targets.fill(dataset.data, dataset.transform, network, inferer)
    for number, case in enumerate(dataset.data):
        logits = torch.from_numpy(targets.load(case["case"])).float()
        post({**dataset[number], "pred": MetaTensor(logits)})
    return folder / "masks"


@pytest.mark.parametrize("flat", [True, False], ids=["2d", "3d"])
def test_the_teacher_is_nnunets_own_and_a_student_learns_from_it(tmp_path, flat, monkeypatch):
    root, theirs = trained(tmp_path, flat)
    raw, ending = tmp_path / "nnUNet_raw" / "Dataset007_Balls", ".png" if flat else ".nii.gz"
    ours = masks_of_teacher(root, tmp_path / "teacher", raw)
    scores, tested = [], (LABELLED[flat], LABELLED[flat] + 1)
    for number in tested:
        first, second = (read(folder / f"ball.{number}{ending}") for folder in (ours, theirs))
        assert first.shape == second.shape
        scores.append(2 * (first & second).sum() / (first.sum() + second.sum()))
        if not flat:
            same_grid(ours / f"ball.{number}{ending}", raw / "imagesTs" / f"ball.{number}_0000{ending}")
    assert min(scores) >= 0.999, scores

    output = distilled(tmp_path, root)
    assert f"folds {', '.join(map(str, FOLDS[flat]))}, the mean of their logits" in output
    assert "runs on" in run(tmp_path, "train")
    run(tmp_path, "inference", "--output_dir", tmp_path / "masks")
    for number in tested:
        file = tmp_path / "masks" / f"ball.{number}{ending}"
        assert read(file).shape == read(theirs / file.name).shape
        if not flat:
            same_grid(file, raw / "imagesTs" / f"ball.{number}_0000{ending}")


def read(file):
    array = Image.open(file) if file.suffix == ".png" else nibabel.load(file).dataobj
    return np.asarray(array) > 0
