# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from monai_kd.export import open_bundle
from monai_kd.networks import StudentUNet
from tests.bundles.conftest import ROOT
from tests.export.conftest import LOAD, UNET, assert_refused, make_bundle, rgb_bundle, student


def test_bundles(checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No configs/inference.json in"):
        open_bundle(tmp_path)
    with pytest.raises(ValueError, match=r"No id 'student_channel' .* Closest: 'student_channels'"):
        open_bundle(ROOT, student_channel=[2])
    assert_refused(
        ValueError, r"'network_def' of .* cannot be built: .*level", student(student_channels=[2]), checkpoint, tmp_path
    )
    config = tmp_path / "configs" / "inference.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"network_def": {"_target_": "UNet", "spatial_dim": 2}, "other": "$1"}))
    assert_refused(
        ValueError, r"network_def.*cannot be built: .*spatial_dim", open_bundle(tmp_path), checkpoint, tmp_path
    )
    config.write_text(json.dumps({"network_def": "$[]"}))
    assert_refused(ValueError, "is a list, not a network", open_bundle(tmp_path), checkpoint, tmp_path)
    config.write_text(json.dumps({"other": 1}))
    assert_refused(ValueError, "has no 'network_def'. It has", open_bundle(tmp_path), checkpoint, tmp_path)


def test_several_inputs(tmp_path):
    bundle, weights = rgb_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    inputs = metadata["network_data_format"]["inputs"]
    path.write_text(json.dumps({"network_data_format": {"inputs": {**inputs, "second": inputs["image"]}}}))
    assert_refused(
        ValueError, r"describe 2 inputs of the network \(image, second\)", open_bundle(bundle.root), weights, tmp_path
    )
    path.write_text("{")
    assert_refused(ValueError, r"metadata.json' is not JSON", open_bundle(bundle.root), weights, tmp_path)


def test_several_outputs(tmp_path):
    bundle, weights = rgb_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["network_data_format"]["outputs"] = {"pred": {"channel_def": {}}, "embedding": {}}
    path.write_text(json.dumps(metadata))
    message = r"describe 2 outputs of the network \(pred, embedding\), but only networks with one output"
    assert_refused(ValueError, message, open_bundle(bundle.root), weights, tmp_path)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("answer", "told"), [(lambda x: [x, x], "a list of 2"), (lambda x: {"out": x}, "a dict of 1")], ids=["list", "dict"]
)
def test_networks_of_several_answers(checkpoint, tmp_path, monkeypatch, answer, told, raw):
    monkeypatch.setattr(StudentUNet, "forward", lambda self, x: answer(x))
    message = rf"StudentUNet returns {told}, but only networks that return one tensor .*deep supervision"
    assert_refused(ValueError, message, student(), checkpoint, tmp_path, raw=raw)


@pytest.mark.parametrize("raw", [False, True])
def test_images_that_the_network_does_not_take(tmp_path, raw):
    bundle, weights = make_bundle(
        tmp_path / "bundle",
        {**UNET, "spatial_dims": 2, "in_channels": 3, "out_channels": 2},
        (1, 32, 32),
        [*LOAD, {"_target_": "Resized", "keys": "image", "spatial_size": [32, 32]}],
        [{"_target_": "AsDiscreted", "keys": "pred", "argmax": True}],
    )
    message = r"UNet does not take an image of shape \(1, 1, 32, 32\), .*3 channels.*num_channels"
    assert_refused(ValueError, message, bundle, weights, tmp_path, raw=raw)


def test_sizes_that_are_none(tmp_path):
    bundle, weights = rgb_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle" / "configs" / "metadata.json"
    for size in (["n*m", 32], [0, 32]):
        entry = {"num_channels": 3, "spatial_shape": size}
        path.write_text(json.dumps({"network_data_format": {"inputs": {"image": entry}, "outputs": {}}}))
        message = "do not define the network's input .*Give num_channels"
        assert_refused(ValueError, message, open_bundle(bundle.root), weights, tmp_path)


def test_a_step_that_cannot_be_in_the_graph(checkpoint, tmp_path):
    assert_refused(
        ValueError, r"CropMargins?d? cannot go into .*--raw", student(crop_margins=True), checkpoint, tmp_path
    )
    flip = {"_target_": "Flipd", "keys": "image"}
    assert_refused(ValueError, r"Flipd cannot go into", *rgb_bundle(tmp_path / "bundle", (flip,)), tmp_path)
    for number, random in enumerate(("OneOf", "SomeOf", "RandomOrder")):
        resize = {"_target_": "Resized", "keys": "image", "spatial_size": [48, 32]}
        bundle, weights = rgb_bundle(tmp_path / f"bundle{number}", ({"_target_": random, "transforms": [resize]},))
        assert_refused(ValueError, rf"{random} cannot go into .*--raw", bundle, weights, tmp_path)


def test_a_network_that_cannot_be_exported(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(StudentUNet, "forward", lambda self, x: self.head(x) if bool(x.sum() > 0) else x)
    assert_refused(ValueError, "StudentUNet cannot be written as ONNX", student(), checkpoint, tmp_path, raw=True)


def test_weights_in_place_of_a_bundle_are_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"model\.pt' is not a config\. Name a bundle's folder .* --checkpoint names"):
        open_bundle(tmp_path / "model.pt")
