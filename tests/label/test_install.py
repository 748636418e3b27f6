# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import torch

from monai_kd.label.bundle import AppBundle
from monai_kd.label.infer import BundleInfer
from monai_kd.label.install import install
from monai_kd.phantom import write_phantoms
from monai_kd.utils.checkpoints import save_checkpoint
from tests.bundle.in_yaml import in_yaml
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


def test_records_say_what_the_networks_were_trained_with(tmp_path):
    files = weights(tmp_path)
    student = {**AppBundle(BUNDLE).config("inference")["network_def"], "channels": TINY["student_channels"]}
    for name, network in (("student", student), ("teacher", TINY["teacher_def"])):
        state = torch.load(files[name], weights_only=True)
        save_checkpoint(state, files[name], {"network_def": network, "spatial_size": TINY["spatial_size"]})
    app = install(tmp_path / "app", BUNDLE, **files)
    assert json.loads((app.root / "configs" / "app.json").read_text()) == TINY
    with pytest.raises(ValueError, match=r"'student_channels' is \[3, 4, 4\], but .* was trained with \[2, 4, 4\]"):
        install(tmp_path / "other", BUNDLE, **files, student_channels=[3, 4, 4])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"student": "none.pt"}, FileNotFoundError, "No checkpoint at"),
        ({"teacher": "none.pt"}, FileNotFoundError, "No checkpoint at"),
        ({"student": "teacher.pt"}, ValueError, "holds the weights of another network"),
        ({"student_channels": [3, 4, 4]}, ValueError, "holds the weights of another network"),
        ({"student": "evil.pt"}, ValueError, "is not a checkpoint of plain tensors"),
        ({"student_channel": [2]}, ValueError, "No id 'student_channel' in the bundle's configs."),
        ({"student_channels": 2}, ValueError, "--set student_channels must be a list of whole numbers from 1, got 2."),
        ({"bundle": "."}, FileNotFoundError, "No configs/inference.json in"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, arguments, error, message):
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    given = {"bundle": BUNDLE, **weights(tmp_path), **TINY, **arguments}
    given = {key: tmp_path / value if isinstance(value, str) else value for key, value in given.items()}
    with pytest.raises(error, match=re.escape(message)):
        install(tmp_path / "app", **given)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_bundle_in_yaml_becomes_an_app(tmp_path):
    pytest.importorskip("yaml")
    app = install(tmp_path / "app", in_yaml(BUNDLE, tmp_path), **weights(tmp_path), **TINY)
    json_app = AppBundle(BUNDLE)
    assert app.labels == json_app.labels and app.pathways == json_app.pathways and app.has("views/plain_teacher")
    assert app.parser("inference", spatial_size=[8, 8])["spatial_size"] == [8, 8]
    config = app.parser("train", "methods/hidden_mse")
    assert config["pathways"] == json_app.parser("train", "methods/hidden_mse")["pathways"]
    assert config["student_channels"] == TINY["student_channels"]


def test_a_folder_in_use_is_left_as_it_is(tmp_path):
    app = tiny_app(tmp_path)
    before = sorted(app.rglob("*"))
    with pytest.raises(ValueError, match="is not empty"):
        install(app, BUNDLE, **weights(tmp_path), **TINY)
    assert sorted(app.rglob("*")) == before


def test_an_app_is_not_written_into_its_bundle(tmp_path):
    for dest in (BUNDLE / "app", BUNDLE):
        with pytest.raises(
            ValueError, match=r"The app's folder '.*' lies in the bundle '.*'.*Choose a folder beside it"
        ):
            install(dest, BUNDLE, **weights(tmp_path), **TINY)


def test_from_a_fresh_clone_the_shipped_student_is_served(tmp_path):
    """Without a teacher the app segments, and says what training needs."""
    app = install(tmp_path / "app", BUNDLE)
    assert app.student.read_bytes() == (BUNDLE / "models" / "model.pt").read_bytes()
    assert not app.teacher.is_file()
    task = BundleInfer(app, ["inference"], "the student")
    assert task.is_valid() and not BundleInfer(app, ["inference", "teacher"], "the teacher").is_valid()
    write_phantoms(tmp_path / "images", 1)
    image = next((tmp_path / "images" / "original").iterdir())
    probability = task.probability(str(image), "cpu")
    assert 0 <= probability.min() < 0.5 < probability.max() <= 1
