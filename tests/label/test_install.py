# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import torch

from monai_kd.label.bundle import AppBundle
from monai_kd.label.install import install
from tests.label.apps import BUNDLE, TINY, tiny_app, weights


def test_an_app_is_a_bundle_with_weights_and_an_entrance(tmp_path):
    app = tiny_app(tmp_path)
    assert sorted(path.name for path in app.iterdir()) == ["bundle", "main.py", "requirements.txt"]
    assert json.loads((app / "bundle" / "configs" / "app.json").read_text()) == TINY
    bundle = AppBundle(app / "bundle")
    assert bundle.labels == {"lesion": 1}
    assert bundle.parser("inference").get_parsed_content("spatial_size") == [32, 32]
    assert bundle.parser("inference", spatial_size=[8, 8])["spatial_size"] == [8, 8]
    for names, path in ((["inference"], bundle.student), (["inference", "teacher"], bundle.teacher)):
        network = bundle.parser(*names).get_parsed_content("network_def")
        assert network.state_dict().keys() == torch.load(path, weights_only=True)["model"].keys()


def refused(folder, error, message, **arguments):
    with pytest.raises(error, match=re.escape(message)):
        install(folder / "app", **{"bundle": BUNDLE, **weights(folder), **TINY, **arguments})
    assert not any(path.is_dir() for path in folder.iterdir())


def test_weights_that_are_missing(tmp_path):
    refused(tmp_path, FileNotFoundError, "No checkpoint at", student=tmp_path / "none.pt")
    refused(tmp_path, FileNotFoundError, "No checkpoint at", bundle=BUNDLE, student=None, teacher=tmp_path / "no.pt")


def test_weights_of_other_networks(tmp_path):
    other = weights(tmp_path)
    refused(tmp_path, ValueError, "holds the weights of another network", student=other["teacher"])
    refused(tmp_path, ValueError, "holds the weights of another network", student_channels=[3, 4, 4])


def test_weights_that_are_code(tmp_path):
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    refused(tmp_path, ValueError, "is not a checkpoint of plain tensors", student=tmp_path / "evil.pt")


def test_an_unknown_setting_and_no_bundle(tmp_path):
    refused(tmp_path, ValueError, "No id 'student_channel' in the bundle's configs.", student_channel=[2])
    refused(tmp_path, FileNotFoundError, "No configs/inference.json in", bundle=tmp_path)


def test_a_folder_in_use_is_left_as_it_is(tmp_path):
    app = tiny_app(tmp_path)
    before = sorted(app.rglob("*"))
    with pytest.raises(ValueError, match="is not empty"):
        install(app, BUNDLE, **weights(tmp_path), **TINY)
    assert sorted(app.rglob("*")) == before
