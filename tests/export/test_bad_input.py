# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from monai_kd.benchmark.candidates import teacher_of
from monai_kd.export import DataSet, Options, export_student, open_export
from monai_kd.export.graph import Segmenter
from tests.bundles.conftest import ROOT, unet
from tests.data.layout_fixtures import make_plain
from tests.export.conftest import LOAD, UNET, assert_refused, make_bundle, rgb_bundle, student


def test_weights_of_another_network(checkpoint, tmp_path):
    message = r"holds the weights of another network than this StudentUNet: .*Build the network with the arguments"
    assert_refused(ValueError, message, student(student_channels=[3, 4, 4]), checkpoint, tmp_path)
    assert_refused(FileNotFoundError, "No checkpoint at", student(), tmp_path / "none.pt", tmp_path)


def test_raw_leaves_them_to_the_caller(checkpoint, tmp_path):
    results = export_student(student(crop_margins=True), checkpoint, tmp_path / "out", Options(raw=True))
    assert results["onnx"].largest_difference < 1e-3
    assert open_export(tmp_path / "out")[0].report["input"].startswith("image (batch, 1, 32, 32): pre-processed")


def test_unknown_form():
    with pytest.raises(
        ValueError, match=r"No form 'int4'. Closest: 'int8'. Choose from onnx, fp16, int8, openvino, .*, ncnn, web\."
    ):
        Options(("onnx", "int4"))
    with pytest.raises(ValueError, match=r"INT8 needs 8 or more images for calibration. .*--dataset-dir"):
        Options(("int8",))


def test_layers_of_a_form_that_is_not_written():
    message = r"--float-layers head,encoder is for a form of 8 bits, and --forms has none. Add int8"
    with pytest.raises(ValueError, match=message):
        Options(("onnx",), float_layers=("head", "encoder"))


def test_too_few_images_to_calibrate_with(checkpoint, tmp_path):
    data = DataSet(make_plain(tmp_path / "few", count=5))
    assert_refused(ValueError, "needs at least 8 images", student(), checkpoint, tmp_path, forms=("int8",), data=data)


def test_images_that_are_missing_unreadable_or_in_no_layout(checkpoint, images, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no image")
    for folder, error, message in (
        (tmp_path / "none", FileNotFoundError, "none"),
        (tmp_path / "other", ValueError, "No known layout"),
    ):
        assert_refused(error, message, student(), checkpoint, tmp_path, data=DataSet(folder))
    copy = shutil.copytree(images, tmp_path / "damaged")
    (copy / "original" / "000003.png").write_bytes(b"<html>")
    assert_refused(ValueError, "000003.png cannot be decoded", student(), checkpoint, tmp_path, data=DataSet(copy))
    with pytest.raises(ValueError, match="plain"):
        export_student(student(), checkpoint, tmp_path / "out", Options(data=DataSet(images, layout="plain")))


def test_images_of_other_channels(tmp_path):
    bundle, weights = rgb_bundle(tmp_path / "bundle")
    data = DataSet(make_plain(tmp_path / "gray", count=12))
    message = r"\.png has shape \(1, \d+, \d+\) \(channels first\), but the network takes 3 channels"
    assert_refused(ValueError, message, bundle, weights, tmp_path, forms=("int8",), data=data)


def test_images_of_more_than_eight_bits(tmp_path):
    bundle, weights = make_bundle(
        tmp_path / "bundle",
        {**UNET, "spatial_dims": 2, "in_channels": 1, "out_channels": 2},
        (1, 32, 32),
        [*LOAD, {"_target_": "ScaleIntensityd", "keys": "image"}],
        [{"_target_": "AsDiscreted", "keys": "pred", "argmax": True}],
    )
    folder = make_plain(tmp_path / "deep", count=12)
    for path in (folder / "images").iterdir():
        Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 200).save(
            path.with_suffix(".png")
        )
    message = r"holds values from \d+ to \d+, but the exported graph takes gray values of 8 bits.*--raw"
    assert_refused(ValueError, message, bundle, weights, tmp_path, data=DataSet(folder))


def test_a_folder_in_use_is_left_as_it_is(checkpoint, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        export_student(student(), checkpoint, tmp_path / "mine", Options())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_form_that_differs_is_not_written(checkpoint, tmp_path):
    message = r"student.onnx differs from the bundle: 2 images.*tolerance is -1"
    assert_refused(ValueError, message, student(), checkpoint, tmp_path, tolerance=-1)


@pytest.mark.parametrize(
    ("missing", "form"), [("onnxruntime", "onnx"), ("onnxscript", "onnx"), ("openvino", "openvino")]
)
def test_missing_packages(checkpoint, tmp_path, monkeypatch, missing, form):
    monkeypatch.setitem(sys.modules, missing, None)
    message = re.escape(f"{missing} is needed for this: pip install {missing} ")
    assert_refused(ImportError, message, student(), checkpoint, tmp_path, forms=(form,))


def test_teachers(checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match="No config 'teacher'"):
        teacher_of(rgb_bundle(tmp_path / "bundle")[0].root, checkpoint, {})
    with pytest.raises(ValueError, match="holds the weights of another network than this UNet"):
        teacher_of(ROOT, checkpoint, {"teacher_def": unet(4, 4, 6, 6)})


def test_an_empty_checkpoint(tmp_path):
    (tmp_path / "model.pt").touch()
    assert_refused(ValueError, "is not a checkpoint of plain tensors", student(), tmp_path / "model.pt", tmp_path)


def test_weights_that_give_no_numbers(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)["model"]
    state["head.bias"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    message = r"nan\.pt' holds numbers that are not finite, first in 'head\.bias' \(1 of 2\)"
    assert_refused(ValueError, message, student(), tmp_path / "nan.pt", tmp_path)


def test_another_mask_is_not_written(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(Segmenter, "_mask", lambda self, x: (x[:, 1] < x[:, 0]).to(torch.uint8))
    assert_refused(ValueError, "differs from the bundle", student(), checkpoint, tmp_path)
