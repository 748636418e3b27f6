# SPDX-License-Identifier: Apache-2.0
"""Images to masks by one command, equal to the inference of the bundle."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.bundle.record.training_record import load_record
from monai_kd.data import read_dataset
from monai_kd.networks import StudentUNet
from monai_kd.phantom import write_phantoms
from monai_kd.segmentation.segment import segment
from tests.bundles.conftest import ROOT, run_bundle
from tests.data.dicom_fixtures import write_dicom

CHANNELS = [16, 32, 48, 80, 128]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name, channels in (("model", CHANNELS), ("model_small", [8, 12, 16, 24, 32])):
        torch.manual_seed(0)
        network = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=channels)
        torch.save(network.state_dict(), folder / f"{name}.pt")
    return folder


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "phantoms"
    write_phantoms(folder, 3)
    return folder


def given(weights):
    return ["--checkpoint", str(weights / "model.pt")]


def pixels(path):
    return np.asarray(Image.open(path))


def test_the_masks_are_those_of_the_inference(phantoms, weights, tmp_path):
    images = [record["image"] for record in read_dataset(phantoms)]
    found = segment(images, tmp_path / "masks", checkpoint=weights / "model.pt").images
    given = {"dataset_dir": str(phantoms), "output_dir": str(tmp_path / "inference")}
    run_bundle(
        "inference", checkpoint=str(weights / "model.pt"), **given, spatial_size=[224, 224], student_channels=CHANNELS
    )
    assert [str(one.image) for one in found] == images
    for one in found:
        mask = pixels(one.mask)
        assert np.array_equal(mask, pixels(tmp_path / "inference" / one.mask.name))
        assert one.share == pytest.approx((mask > 0).mean())
        picture = pixels(one.picture)
        assert picture.shape == (*mask.shape, 3)
        red = (picture == (255, 40, 40)).all(-1)
        assert red.any() and not (red & (mask == 0)).any()


def test_the_small_network_by_its_name(phantoms, weights, tmp_path):
    found = segment([phantoms], tmp_path, network="small", checkpoint=weights / "model_small.pt").images
    assert len(found) == 3
    with pytest.raises(Exception, match=r"Remedy|checkpoint|channels|shape"):
        segment([phantoms], tmp_path, checkpoint=weights / "model_small.pt")


@pytest.mark.parametrize("network", [None, "small"])
def test_the_weights_that_came_along(network, phantoms, tmp_path):
    """A fresh clone can segment. It finds the synthetic lesions, although the networks never saw any."""
    found = segment([phantoms], tmp_path / "masks", network=network)
    assert found.is_shipped and found.checkpoint.name == ("model_small.pt" if network else "model.pt")
    truth = {record["id"]: pixels(record["label"]) > 0 for record in read_dataset(phantoms)}
    assert len(found.images) == len(truth)
    dice = []
    for one in found.images:
        mask, lesion = pixels(one.mask) > 0, truth[one.mask.stem]
        dice.append(2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()))
    assert max(dice) > 0.6


def test_the_shipped_weights_say_how_they_were_trained(phantoms, tmp_path):
    """The small student's file is enough: its record has the channels, so no overlay is needed."""
    models = ROOT / "models"
    for name, channels in (("model.pt", CHANNELS), ("model_small.pt", [8, 12, 16, 24, 32])):
        record = load_record(models / name)
        assert record["network_def"]["channels"] == channels and record["spatial_size"] == [224, 224]
    alone = segment([phantoms], tmp_path / "alone", checkpoint=models / "model_small.pt").images
    by_name = segment([phantoms], tmp_path / "by_name", network="small").images
    assert all(np.array_equal(pixels(a.mask), pixels(b.mask)) for a, b in zip(alone, by_name, strict=True))


def test_weights_that_a_training_wrote_are_told_from_the_shipped_ones(phantoms, weights, tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(ROOT, bundle, ignore=shutil.ignore_patterns("runs"))
    image = read_dataset(phantoms)[0]["image"]
    assert segment([image], tmp_path / "a", bundle=bundle).is_shipped
    shutil.copy(weights / "model.pt", bundle / "models" / "model.pt")
    run = CliRunner().invoke(app, ["segment", image, "--output-dir", str(tmp_path / "b"), "--bundle", str(bundle)])
    assert "not the shipped ones" in " ".join(run.output.split())


def test_the_command_takes_files_and_folders(phantoms, weights, tmp_path):
    write_dicom(tmp_path / "scan.dcm", np.random.default_rng(0).integers(0, 255, (50, 60), dtype=np.uint8))
    out = tmp_path / "masks"
    run = CliRunner().invoke(
        app,
        ["segment", str(phantoms), str(tmp_path / "scan.dcm"), "--output-dir", str(out), *given(weights)],
    )
    assert run.exit_code == 0, run.output
    assert "4 images: masks in" in run.output and "% of the image" in run.output
    assert sorted(path.name for path in out.glob("*.*") if path.name != ".lock") == [
        "000001.png",
        "000002.png",
        "000003.png",
        "scan.nrrd",
    ]
    assert len(list((out / "overlays").iterdir())) == 4


def test_two_images_of_one_name_are_refused_before_anything_is_written(phantoms, weights, tmp_path):
    image = read_dataset(phantoms)[0]["image"]
    run = CliRunner().invoke(app, ["segment", image, str(phantoms), "--output-dir", str(tmp_path / "masks")])
    assert run.exit_code == 1
    assert "would give masks of the same name (1 names)" in " ".join(run.output.split())
    assert not (tmp_path / "masks").exists()


def test_a_damaged_image_costs_itself_alone(phantoms, weights, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    image = read_dataset(phantoms)[0]["image"]
    run = CliRunner().invoke(
        app,
        ["segment", image, str(tmp_path / "bad.png"), "--output-dir", str(tmp_path / "masks"), *given(weights)],
    )
    assert run.exit_code == 1
    assert "1 of 2 images has no result" in str(run.exception) + run.output
    assert [path.name for path in (tmp_path / "masks").glob("*.png")] == ["000001.png"]


def test_masks_do_not_go_where_the_images_are(phantoms, weights):
    image = read_dataset(phantoms)[0]["image"]
    inside = phantoms / "original" / "masks"
    run = CliRunner().invoke(app, ["segment", str(phantoms), "--output-dir", str(inside)])
    assert run.exit_code == 1 and not inside.exists()
    assert "Choose a folder beside it" in " ".join(run.output.split())
    before = pixels(image)
    with pytest.raises(SystemExit, match=r"would overwrite the image"):
        segment([image], phantoms / "original", checkpoint=weights / "model.pt")
    assert np.array_equal(pixels(image), before)


def test_a_bundle_with_an_inference_of_its_own_is_told_how_to_run_it(phantoms, tmp_path):
    (tmp_path / "student" / "configs").mkdir(parents=True)
    (tmp_path / "student" / "configs" / "inference.json").write_text('{"run": []}')
    with pytest.raises(ValueError, match=r"Run it: python -m monai_kd run inference --bundle .*student --dataset-dir"):
        segment([phantoms], tmp_path / "masks", bundle=tmp_path / "student")
    assert not (tmp_path / "masks").exists()
