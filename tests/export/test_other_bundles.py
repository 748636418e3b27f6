# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from monai_kd.benchmark.candidates import _pytorch
from monai_kd.export import Options, export_student, load_form, open_bundle, open_export
from tests.bundles.conftest import CLASSIFICATION
from tests.export.conftest import INVERT, LOAD, UNET, make_bundle, rgb_bundle


def export(bundle, weights, folder, **options):
    results = export_student(bundle, weights, folder / "out", Options(**options))
    exported = open_export(folder / "out")[0]
    return results, exported, load_form(exported.forms()["onnx"], exported.report["outputs"])


def test_colors_area_and_a_threshold(tmp_path):
    results, exported, run = export(*rgb_bundle(tmp_path / "bundle"), tmp_path)
    assert results["onnx"].pixels_that_differ < 1e-4 and results["onnx"].images == 2
    answers = run(np.random.default_rng(0).integers(0, 256, (2, 3, 40, 61), dtype=np.uint8))
    assert answers["mask"].shape == (2, 40, 61) and answers["probabilities"].shape == (2, 1, 40, 61)
    assert np.array_equal(answers["mask"], answers["probabilities"][:, 0] >= 0.5)
    assert exported.report["bundle_version"] == "1.2.3"


def test_rows_first_where_the_reader_says_so(tmp_path):
    bundle, weights = make_bundle(
        tmp_path / "bundle",
        {**UNET, "spatial_dims": 2, "in_channels": 1, "out_channels": 3},
        (1, 24, 32),
        [
            {"_target_": "LoadImaged", "keys": "image", "reader": "$monai.data.PILReader(reverse_indexing=False)"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "Resized", "keys": "image", "spatial_size": [24, 32], "mode": "bicubic"},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": -1, "b_max": 1},
        ],
        [INVERT, {"_target_": "AsDiscreted", "keys": "pred", "argmax": True, "to_onehot": 3}],
    )
    results, _, run = export(bundle, weights, tmp_path)
    assert results["onnx"].pixels_that_differ < 1e-4
    # A bundle without an activation gives no probabilities.
    answers = run(np.random.default_rng(0).integers(0, 256, (1, 1, 30, 50), dtype=np.uint8))
    assert list(answers) == ["mask", "logits"]
    assert not np.allclose(answers["logits"].sum(1), 1, atol=1e-2)
    assert np.array_equal(answers["mask"], answers["logits"].argmax(1))


def test_a_classifier_gives_probabilities_alone(tmp_path):
    bundle = open_bundle(CLASSIFICATION, spatial_size=[32, 32], student_channels=[2, 4, 4, 6])
    torch.save(bundle.network().state_dict(), tmp_path / "model.pt")
    results, exported, run = export(bundle, tmp_path / "model.pt", tmp_path)
    assert results["onnx"].pixels_that_differ is None
    assert exported.report["outputs"] == ["probabilities"]
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40), dtype=np.uint8))
    answer = run(np.asarray(picture)[None, None])["probabilities"]
    assert answer.shape == (1, 2) and answer.sum() == pytest.approx(1)


VOLUME = [
    *LOAD,
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": 0,
        "a_max": 200,
        "b_min": 0,
        "b_max": 1,
        "clip": True,
    },
]


def volume_bundle(folder, *further, shape=(1, 16, 16, 16), **config):
    network = {**UNET, "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "norm": "instance"}
    after = [{"_target_": "AsDiscreted", "keys": "pred", "argmax": True}]
    return make_bundle(folder, network, shape, [*VOLUME, *further], [INVERT, *after], **config)


def test_volumes(tmp_path):
    resize = {"_target_": "Resized", "keys": "image", "spatial_size": [16, 16, 16], "mode": "trilinear"}
    results, exported, run = export(*volume_bundle(tmp_path / "bundle", resize), tmp_path)
    assert results["onnx"].pixels_that_differ < 1e-4
    assert exported.report["input"] == "image (batch, 1, width, height, depth): raw voxels, in MONAI's order, float32"
    assert run(np.zeros((1, 1, 20, 18, 17), dtype=np.float32))["mask"].shape == (1, 20, 18, 17)


def test_sizes_that_the_metadata_leave_open(tmp_path):
    deeper = {**UNET, "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [2, 4, 4], "strides": [2, 2]}
    bundle, weights = volume_bundle(tmp_path / "bundle", shape=(1, "32*n", "*", 16), network_def=deeper)
    results, exported, run = export(bundle, weights, tmp_path, raw=True)
    assert results["onnx"].largest_difference < 1e-4 and exported.report["sides"] == "multiples of 4"
    network = exported.module().network
    for sides in ((64, 64, 16), (20, 16, 36)):
        image = torch.randn(2, 1, *sides)
        with torch.no_grad():
            assert np.allclose(run(image.numpy())["logits"], network(image).numpy(), atol=1e-4)


def test_what_an_inferer_does_is_part_of_the_check(tmp_path):
    call = "{'__call__': lambda self, image, network: 2 - network(image)}"
    inferer = f"$type('Turned', (monai.inferers.SimpleInferer,), {call})()"
    bundle, weights = volume_bundle(tmp_path / "bundle", evaluator={"inferer": inferer})
    for raw in (False, True):
        with pytest.raises(ValueError, match="differs from the bundle"):
            export(bundle, weights, tmp_path, raw=raw)


@pytest.mark.parametrize("inline", [False, True])
def test_windows_of_a_volume_are_the_callers(tmp_path, inline):
    windows = {"inferer": {"_target_": "SlidingWindowInferer", "roi_size": 16, "mode": "gaussian"}}
    config = {"evaluator": windows} if inline else windows
    bundle, weights = volume_bundle(tmp_path / "bundle", shape=(1, "*", "8*n", 32), **config)
    with pytest.raises(ValueError, match=r"SlidingWindowInferer cannot go into the exported graph.*--raw"):
        export(bundle, weights, tmp_path)
    results, exported, _ = export(bundle, weights, tmp_path, raw=True)
    assert results["onnx"].largest_difference < 1e-4
    assert exported.report["outputs"] == ["logits"]
    run = onnxruntime.InferenceSession(str(exported.forms()["onnx"]))
    assert run.run(None, {"image": np.zeros((2, 1, 16, 16, 16), dtype=np.float32)})[0].shape == (2, 2, 16, 16, 16)


NET = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
    def forward(self, image):
        from scripts.numbers import FACTOR
        return torch.cat([image, FACTOR * self.scale * image], 1)
"""


PLACES = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.places = torch.nn.Parameter(torch.ones(1, 1, 16, 16))
    def forward(self, image):
        return torch.cat([image, self.places * image], 1)
"""


def test_a_network_that_knows_its_places_takes_one_size(tmp_path):
    (tmp_path / "bundle" / "scripts").mkdir(parents=True)
    (tmp_path / "bundle" / "scripts" / "net.py").write_text(PLACES)
    bundle, weights = make_bundle(tmp_path / "bundle", {"_target_": "scripts.net.Net"}, (1, 16, 16), LOAD, [INVERT])
    _, exported, run = export(bundle, weights, tmp_path, raw=True)
    assert exported.report["sides"] == "fixed"
    assert run(np.zeros((3, 1, 16, 16), dtype=np.float32))["logits"].shape == (3, 2, 16, 16)


def test_two_bundles_each_have_their_own_scripts(tmp_path):
    for factor in (2, 3):
        folder = tmp_path / str(factor)
        (folder / "scripts").mkdir(parents=True)
        (folder / "scripts" / "net.py").write_text(NET)
        (folder / "scripts" / "numbers.py").write_text(f"FACTOR = {factor}")
        after = [INVERT, {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}]
        bundle, weights = make_bundle(folder, {"_target_": "scripts.net.Net"}, (1, 16, 16), LOAD, after)
        _, exported, run = export(bundle, weights, folder, raw=True)
        image = np.ones((1, 1, 16, 16), dtype=np.float32)
        for answer in (run(image), _pytorch(exported.folder, None)(image)):
            assert answer["logits"][0, 1, 0, 0] == factor
