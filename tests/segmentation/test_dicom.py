# SPDX-License-Identifier: Apache-2.0
"""``segment`` writes DICOM of DICOM: the same masks as without, in one file for each loop."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data.image_files.reading import read_mask
from monai_kd.networks import StudentUNet
from monai_kd.segmentation.segment import segment
from monai_kd.utils.digest import sha256
from tests.bundles.conftest import run_bundle
from tests.data.dicom_output.sources import EXAMPLE, write_image

hd = pytest.importorskip("highdicom")
PAGE = (Path(__file__).parents[2] / "docs" / "dicom.md").read_text(encoding="utf-8")
CHANNELS = [8, 12, 16, 24, 32]
SIZE = (60, 44)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    network = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=CHANNELS)
    file = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A loop of six frames and a still image."""
    folder = tmp_path_factory.mktemp("images")
    write_image(folder / "loop.dcm", 6, SIZE)
    write_image(folder / "still.dcm", 1, SIZE)
    return folder


def run(images, output, weights, *options):
    given = ["--output-dir", str(output), "--checkpoint", str(weights), "--network", "small"]
    return CliRunner().invoke(app, ["segment", str(images), *given, *options])


def told(result):
    return " ".join(f"{result.output} {result.exception}".split())


def test_masks_and_pictures_are_those_without_dicom(images, weights, tmp_path):
    plain, dicom = tmp_path / "plain", tmp_path / "dicom"
    assert run(images, plain, weights).exit_code == 0
    result = run(images, dicom, weights, "--mask-format", "dicom-seg", "--picture-format", "dicom-sc")
    assert result.exit_code == 0, told(result)
    assert [f"loop.dcm, frame {number}" in told(result) for number in range(7)] == [True] * 6 + [False]
    assert sorted(path.name for path in dicom.glob("*.*") if path.name[0] != ".") == ["loop.dcm", "still.dcm"]
    for name, frame in [("still", None), *(("loop", number) for number in range(6))]:
        image = name if frame is None else f"{name}_frame{frame:03}"
        mask = read_mask(dicom / f"{name}.dcm", frame).as_tensor()
        assert torch.equal(mask, read_mask(plain / f"{image}.nrrd").as_tensor()[..., : mask.shape[-1]]), image
        capture = pydicom.dcmread(dicom / "overlays" / f"{image}.dcm")
        assert np.array_equal(capture.pixel_array, np.asarray(Image.open(plain / "overlays" / f"{image}.png")))
        source = pydicom.dcmread(images / f"{name}.dcm")
        (of,) = capture.SourceImageSequence
        assert of.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert of.get("ReferencedFrameNumber") == (None if frame is None else frame + 1)
    made = hd.seg.segread(dicom / "loop.dcm")
    (algorithm,) = made.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert sha256(weights) in algorithm.AlgorithmParameters


def test_smoothing_is_that_of_the_inferer_and_is_written_down(images, weights, tmp_path):
    found = segment(
        [images / "loop.dcm"], tmp_path / "a", network="small", checkpoint=weights, mask_format="dicom-seg",
        smooth_frames=3,
    )  # fmt: skip
    assert {one.mask for one in found.images} == {tmp_path / "a" / "loop.dcm"}
    assert [one.frame for one in found.images] == [*range(6)]
    (segmented,) = pydicom.dcmread(tmp_path / "a" / "loop.dcm").SegmentSequence
    assert "smooth_frames=3" in segmented.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    run_bundle(
        ["inference", "networks/small", "smooth_frames"], smooth_frames=3, dataset_dir=str(images / "loop.dcm"),
        output_dir=str(tmp_path / "b"), checkpoint=str(weights), spatial_size=[224, 224], student_channels=CHANNELS,
    )  # fmt: skip
    mask = read_mask(tmp_path / "a" / "loop.dcm").as_tensor()
    for frame in range(6):
        other = read_mask(tmp_path / "b" / f"loop_frame{frame:03}.nrrd").as_tensor()
        assert torch.equal(mask[..., frame], other.reshape(mask.shape[:3])), frame


def test_a_bad_image_costs_itself_alone(weights, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "bad.dcm", 6, SIZE, StudyInstanceUID="")
    write_image(tmp_path / "in" / "good.dcm", 1, SIZE)
    seen, forward = [], StudentUNet.forward
    monkeypatch.setattr(StudentUNet, "forward", lambda self, image: seen.append(len(image)) or forward(self, image))
    result = run(tmp_path / "in", tmp_path / "out", weights, "--mask-format", "dicom-seg")
    assert result.exit_code == 1
    assert sum(seen) == 2  # the check at the start, and the good image: the network does not run on the bad one
    assert "6 of 7 images have no result; all others are done" in told(result)
    assert str(result.exception).count("bad.dcm has no StudyInstanceUID") == 1  # not once for each frame
    assert [path.name for path in (tmp_path / "out").glob("*.dcm")] == ["good.dcm"]


def test_an_output_folder_that_holds_such_files(images, weights, tmp_path):
    for _ in range(2):  # its own are replaced, and are no images
        assert run(images / "still.dcm", tmp_path, weights, "--mask-format", "dicom-seg").exit_code == 0
    write_image(tmp_path / "in.dcm", 1, SIZE)
    (tmp_path / "out").mkdir()
    other = tmp_path / "out" / "in.dcm"
    other.write_bytes((tmp_path / "still.dcm").read_bytes())
    result = run(tmp_path / "in.dcm", tmp_path / "out", weights, "--mask-format", "dicom-seg")
    assert result.exit_code == 1 and "exists, and is no segmentation of this image" in told(result)
    assert other.read_bytes() == (tmp_path / "still.dcm").read_bytes()


@pytest.mark.parametrize(("name", "value"), [("mask_format", "dicom-seg"), ("picture_format", "dicom-sc")])
def test_other_images_are_refused_before_anything_is_written(name, value, weights, tmp_path):
    Image.new("L", SIZE, 100).save(tmp_path / "scan.png")
    result = run(tmp_path / "scan.png", tmp_path / "out", weights, f"--{name}", value)
    assert result.exit_code == 1 and not (tmp_path / "out").exists()
    assert "but 1 images are no DICOM" in told(result) and f"without {name}" in told(result)


def test_without_highdicom_nothing_is_written(images, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom.seg", None)
    result = run(images, tmp_path / "out", weights, "--mask-format", "dicom-seg")
    assert result.exit_code == 1 and not (tmp_path / "out").exists()
    assert "DICOM output needs highdicom" in told(result) and "pip install 'monai_kd[dicom]'" in told(result)


def test_an_unknown_format_is_refused(images, weights, tmp_path):
    result = run(images, tmp_path / "out", weights, "--mask-format", "jpeg")
    assert result.exit_code == 1 and "mask_format is 'jpeg'. Choose one of image, dicom-seg" in told(result)


def test_the_benchmark_of_a_loop(tmp_path):
    script = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "loop.py"))
    script["write_loop"](tmp_path / "loop.dcm", 6, (48, 40))
    for options in ({"live": True, "smooth_frames": 3}, {"mask_format": "dicom-seg"}):
        found = script["run_one"](tmp_path / "loop.dcm", tmp_path / "out", {"network": "small", **options})
        name, *figures = script["row"]("small", found).strip("| ").split(" | ")
        assert name == "small" and len(figures) == 7 and all(np.isfinite(float(figure)) for figure in figures)
    assert read_mask(tmp_path / "out" / "loop.dcm").shape == (1, 48, 40, 6)


def test_the_page_reads_a_segmentation(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    EXAMPLE["ultrasound_loop"](np.zeros((3, 40, 50), dtype=np.uint8)).save_as("loop.dcm", write_like_original=False)
    segment(["loop.dcm"], "masks", network="small", checkpoint=weights, mask_format="dicom-seg")
    (block,) = re.findall(r"^```py\n(.*?)^```", PAGE, re.M | re.S)
    exec(compile(block, "dicom.md", "exec"), {})
    assert "(3, 40, 50) lesion" in capsys.readouterr().out
