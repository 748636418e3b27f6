# SPDX-License-Identifier: Apache-2.0
"""MONAI Label's own ``monaibundle`` app serves and trains the bundle as it is, over HTTP."""

from __future__ import annotations

import json
import shutil
import time
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("monailabel")

import requests
from monai.bundle import ConfigParser, run

from monai_kd.data.image_files.formats import name_of
from monai_kd.data.image_files.reading import read_image
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import unet
from tests.label.conftest import ROOT, served

BUNDLE = "breast_ultrasound_segmentation"
# The stock app knows no other sizes than the configs', so those of the copy that is served are made small.
SMALL = {"student_channels": [2, 4, 4], "teacher_def": unet(4, 4, 6), "spatial_size": [32, 32], "batch_size": 4}
AFFINE = np.array([[-0.1, 0, 0, 5], [0, -0.2, 0, 7], [0, 0, 1, 9], [0, 0, 0, 1.0]])
OPTIONS = ["--conf", "models", BUNDLE, "--conf", "zoo_source", "local", "--conf", "sam2", "false"]


@pytest.fixture(scope="module")
def bundle(stock_app: Path) -> Path:
    """The bundle in the app, with small networks that know nothing."""
    folder = stock_app / "model" / BUNDLE
    shutil.copytree(ROOT / "bundles" / BUNDLE, folder, ignore=shutil.ignore_patterns("data", "models", "runs"))
    for path in (folder / "configs").glob("*.json"):
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {key: SMALL[key] for key in SMALL.keys() & config.keys()}))
    (folder / "models").mkdir()
    config = ConfigParser()
    config.read_config(str(folder / "configs" / "train.json"))
    torch.manual_seed(0)
    for name, network in (("model", "network_def"), ("teacher", "teacher_def")):
        torch.save(config.get_parsed_content(network).state_dict(), folder / "models" / f"{name}.pt")
    return folder


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms as an annotator has them: in gray, in color, as NIfTI."""
    folder = tmp_path_factory.mktemp("studies")
    write_phantoms(folder / "phantoms", count=4)
    for path in sorted((folder / "phantoms" / "original").iterdir()):
        shutil.copy(path, folder / path.name)
    picture = Image.open(folder / "000001.png")
    picture.convert("RGB").resize((131, 97)).save(folder / "color.png")
    nibabel.save(nibabel.Nifti1Image(np.asarray(picture).T[..., None], AFFINE), folder / "volume.nii.gz")
    return folder


@pytest.fixture(scope="module")
def server(stock_app: Path, bundle: Path, studies: Path):
    with served(stock_app, studies, extra_args=OPTIONS) as url:
        yield url


@pytest.fixture(scope="module")
def expected(bundle: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory):
    """Masks as ``python -m monai.bundle run`` writes them with the weights of this moment: a function of the image."""
    return lambda image: _inferred(bundle, studies / image, tmp_path_factory.mktemp("masks"))


def _inferred(bundle: Path, image: Path, output: Path) -> Path:
    run(
        config_file=str(bundle / "configs" / "inference.json"), meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=False, bundle_root=str(bundle), dataset_dir=str(image), output_dir=str(output), quiet=True,
    )  # fmt: skip
    return next(path for path in output.iterdir() if not path.name.startswith("."))


def infer(server: str, image: str, **params: str) -> bytes:
    answer = requests.post(
        f"{server}/infer/{BUNDLE}",
        params={"image": image, "output": "image"},
        data={"params": json.dumps(params)},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def gray(content: bytes | Path) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content) if isinstance(content, bytes) else content))


@pytest.mark.parametrize("image", ["000001.png", "000002.png", "color.png"])
def test_a_picture_is_answered_in_its_own_size_as_the_bundle_alone_does(image, server, studies, expected):
    mask, alone = gray(infer(server, Path(image).stem)), gray(expected(image))
    assert mask.shape == gray(studies / image).shape[:2]
    assert mask.dtype == np.uint8 and 0 < (mask == 1).mean() < 1
    assert np.array_equal(mask > 0, alone > 0)


def test_nifti_is_answered_in_its_own_geometry(server, studies, expected, tmp_path):
    (tmp_path / "answer.nii.gz").write_bytes(infer(server, "volume"))
    mask, alone = nibabel.load(tmp_path / "answer.nii.gz"), nibabel.load(expected("volume.nii.gz"))
    assert mask.shape == nibabel.load(studies / "volume.nii.gz").shape
    np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-6)
    assert np.array_equal(np.squeeze(mask.get_fdata()), np.squeeze(alone.get_fdata()))


@pytest.mark.parametrize("image", ["000001.png", "volume.nii.gz"])
def test_3d_slicer_is_answered_in_nrrd(image, server, studies, expected, tmp_path):
    path = tmp_path / "answer.nrrd"
    path.write_bytes(infer(server, name_of(image), result_extension=".nrrd", result_dtype="uint8"))
    assert torch.equal(read_image(path).as_tensor() > 0, read_image(expected(image)).as_tensor() > 0)
    if image == "volume.nii.gz":
        torch.testing.assert_close(read_image(path).affine, torch.as_tensor(AFFINE))


def test_answers_leave_no_files_in_the_bundle(server, bundle, tmp_path):
    before = set(bundle.rglob("*"))
    infer(server, "000001")
    assert set(bundle.rglob("*")) - before == set()


def save_label(server: str, image: str, path: Path) -> None:
    with path.open("rb") as label:
        answer = requests.put(
            f"{server}/datastore/label",
            params={"image": image, "tag": "final"},
            files={"label": (path.name, label)},
            timeout=60,
        )
    assert answer.status_code == 200, answer.text


def train(server: str, run_sync: bool) -> None:
    """Training in the server's process, or, as clients do it, in the background."""
    options = {"max_epochs": 1, "val_split": 0.34, "device": "cpu"}
    answer = requests.post(f"{server}/train/{BUNDLE}", params={"run_sync": run_sync}, json=options, timeout=120)
    assert answer.status_code == 200, answer.text
    if run_sync:
        return
    end = time.monotonic() + 120
    while (task := requests.get(f"{server}/train/", timeout=60).json())["status"] in ("SUBMITTED", "RUNNING"):
        assert time.monotonic() < end, task["details"]
        time.sleep(0.3)
    assert task["status"] == "DONE", "\n".join(task["details"])


def test_training_again_with_more_labels_changes_what_is_served(server, bundle, studies, expected, tmp_path):
    """One label in gray, one as 3D Slicer saves it, and later one more."""
    masks, slicer = studies / "phantoms" / "GT", tmp_path / "000002.nii.gz"
    inside = np.asarray(Image.open(masks / "000002.png").convert("L")) > 0
    nibabel.save(nibabel.Nifti1Image(inside.T[..., None].astype(np.uint8), np.eye(4)), slicer)
    weights = [(bundle / "models" / "model.pt").read_bytes()]
    save_label(server, "000001", masks / "000001.png")
    save_label(server, "000002", slicer)
    for image, run_sync in (("000003", True), ("000004", False)):
        save_label(server, image, masks / f"{image}.png")
        train(server, run_sync)
        weights.append((bundle / "models" / "model.pt").read_bytes())
        answer, alone = gray(infer(server, "000001")), gray(expected("000001.png"))
        assert np.array_equal(answer > 0, alone > 0)
    assert len(set(weights)) == 3
    # The server trained itself, and holds the checkpoint until it ends.
    assert {path.name for path in (bundle / "models").iterdir()} == {"model.pt", "teacher.pt", ".lock-model.pt"}
    assert {path.name for path in (bundle / "runs").iterdir()} == {"distilled"}
