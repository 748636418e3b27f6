# SPDX-License-Identifier: Apache-2.0
"""A tiny student of the segmentation bundle, exported once in every form, and bundles of other kinds."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_kd import export
from monai_kd.export import Bundle, DataSet, Exported, Options, export_student, load_form, open_bundle, open_export
from monai_kd.export.forms.form import Runner, around
from monai_kd.networks import StudentUNet
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import ROOT

SETTINGS: dict[str, Any] = {"spatial_size": [32, 32], "student_channels": [2, 4, 4], "quiet": True}
# What is not installed here is not tested; `pip install 'monai_kd[openvino,executorch]'` adds the rest.
FORMS = tuple(name for name, form in export.FORMS.items() if all(map(find_spec, form.packages)))


def save_student(path: Path) -> Path:
    """Untrained weights, which find a lesion in about half of a noisy image."""
    torch.manual_seed(0)
    student = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=SETTINGS["student_channels"])
    for parameter in student.parameters():
        nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        background, lesion = student.eval()(torch.randn(1, 1, 32, 32))[0]
        student.head.bias[0] += (lesion - background).median()
    torch.save({"model": student.state_dict()}, path)
    return path


def run_form(exported: Exported, form: str) -> Runner:
    """A form as a function from pixels, prepared by the module's own steps where it holds the network alone."""
    path = exported.forms()[form]
    if export.FORMS[form].is_network:
        return around(exported.module(), load_form(path, ["logits"]))
    return load_form(path, exported.report["outputs"])


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of the tiny student."""
    return save_student(tmp_path_factory.mktemp("weights") / "model.pt")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen phantoms in Dataset_A's layout, ten of them for training."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(folder, count=16)
    return folder


@pytest.fixture(scope="session")
def exported(checkpoint: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The tiny student in every form."""
    folder = tmp_path_factory.mktemp("export") / "student"
    export_student(open_bundle(ROOT, **SETTINGS), checkpoint, folder, Options(FORMS, data=DataSet(images)))
    return open_export(folder)[0]


def make_bundle(
    folder: Path,
    network: dict[str, Any],
    shape: tuple[int, ...],
    preprocessing: list[dict[str, Any]],
    postprocessing: list[dict[str, Any]],
    **further: Any,
) -> tuple[Bundle, Path]:
    """A bundle of stock MONAI, and random weights of its network."""
    data_format = {"num_channels": shape[0], "spatial_shape": list(shape[1:])}
    metadata = {"version": "1.2.3", "network_data_format": {"inputs": {"image": data_format}, "outputs": {}}}
    config = {
        "device": "cpu",
        "network_def": network,
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing},
        "postprocessing": {"_target_": "Compose", "transforms": postprocessing},
        **further,
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    bundle = open_bundle(folder)
    torch.manual_seed(0)
    torch.save(bundle.network().state_dict(), folder / "model.pt")
    return bundle, folder / "model.pt"


UNET = {"_target_": "UNet", "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "batch"}
RGB = {**UNET, "spatial_dims": 2, "in_channels": 3, "out_channels": 1}
LOAD = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"}]
INVERT = {
    "_target_": "Invertd",
    "keys": "pred",
    "transform": "@preprocessing",
    "orig_keys": "image",
    "nearest_interp": False,
}


def rgb_bundle(folder: Path, further: tuple[dict[str, Any], ...] = ()) -> tuple[Bundle, Path]:
    """Tools in endoscopic pictures: sigmoid, one threshold, colors scaled by each image's own range."""
    return make_bundle(
        folder,
        RGB,
        (3, 48, 32),
        [
            *LOAD,
            *further,
            {"_target_": "ScaleIntensityd", "keys": "image"},
            {"_target_": "Resized", "keys": "image", "spatial_size": [48, 32]},
            {
                "_target_": "NormalizeIntensityd",
                "keys": "image",
                "subtrahend": [0.4, 0.5, 0.6],
                "divisor": [0.2, 0.3, 0.4],
                "channel_wise": True,
            },
        ],
        [
            {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
            INVERT,
            {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
        ],
    )


def assert_refused(
    error: type[Exception], message: str, bundle: Bundle, weights: Path, folder: Path, **options: Any
) -> None:
    """The export fails with a message and leaves no file."""
    with pytest.raises(error, match=message):
        export_student(bundle, weights, folder / "out", Options(**options))
    assert not [path for path in folder.iterdir() if "out" in path.name]


def student(**settings: Any) -> Bundle:
    """The bundle of the tiny student."""
    return open_bundle(ROOT, **{**SETTINGS, **settings})
