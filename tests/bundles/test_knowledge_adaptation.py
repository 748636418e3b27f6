# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd import layer_shapes
from tests.bundles.conftest import ROOT, run_bundle, run_two_processes, unet

STAGE_TWO = ["train", "methods/knowledge_adaptation"]


def config(name):
    return json.loads((ROOT / "configs" / f"{name}.json").read_text())


def files(folder, name="model.pt"):
    return {"output_dir": str(folder), "checkpoint": str(folder / name)}


def causes_of(error):
    causes = []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    return causes


def best_error(workflow):
    return workflow.evaluator.state.best_metric


@pytest.fixture(scope="module")
def autoencoder(phantoms, teacher, tmp_path_factory):
    """The checkpoint of stage one, and its run."""
    folder = tmp_path_factory.mktemp("autoencoder")
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 3}
    workflow = run_bundle("train_autoencoder", **common, **files(folder, "autoencoder.pt"))
    return str(folder / "autoencoder.pt"), workflow


def test_stage_one_trains_in_two_processes(phantoms, teacher, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 1}
    run_two_processes(["train_autoencoder"], **common, **files(tmp_path, "autoencoder.pt"))
    assert (tmp_path / "autoencoder.pt").is_file()


def test_published_weights_are_the_defaults():
    pathways = config("methods/knowledge_adaptation")["pathways"]
    assert (pathways["adaptation"]["weight"], pathways["affinity"]["weight"]) == (50.0, 1.0)


@pytest.mark.parametrize("channels", [[4, 4, 6], [4, 6, 8, 10], [2, 2, 4, 4, 6, 6, 8]])
def test_the_layer_exists_in_teachers_of_every_depth(channels):
    parser = ConfigParser({**config("train_autoencoder"), "teacher_def": unet(*channels)})
    parser["imports"] = ["$import monai_kd"]
    teacher, layer = (parser.get_parsed_content(key) for key in ("teacher_def", "encoded_layer"))
    side = 2 ** len(channels)
    shapes = layer_shapes(teacher, torch.rand(1, 1, side, side))
    # Twice the resolution of the deepest level, which is halved by the encoder.
    assert shapes[layer] == (1, parser.get_parsed_content("autoencoder").in_channels, 4, 4)
    assert shapes["model" + ".1.submodule" * (len(channels) - 1)][2:] == (2, 2)


def test_stage_one_saves_the_autoencoder_alone_of_the_least_error(autoencoder, phantoms, teacher, tmp_path):
    path, workflow = autoencoder
    saved = torch.load(path, weights_only=True)
    assert saved.keys() == workflow.parser.get_parsed_content("autoencoder").state_dict().keys()
    assert workflow.trainer.state.epoch == 3
    # An evaluation of the saved weights gives the error that was called the best.
    arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 1, "learning_rate": "$0.0"}
    load = "$@autoencoder.load_state_dict(torch.load('" + path + "', weights_only=True))"
    validate = ["$monai_kd.load_weights(@teacher_def, @teacher_checkpoint)", load, "$@validate#evaluator.run()"]
    again = run_bundle("train_autoencoder", run=validate, **arguments, **files(tmp_path, "autoencoder.pt"))
    assert again.evaluator.state.metrics["val_squared_error"] == pytest.approx(best_error(workflow), rel=1e-5)


def test_stage_one_killed_and_started_again_ends_like_a_whole_run(phantoms, teacher, tmp_path):
    def train(folder, **kwargs):
        common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 2}
        return run_bundle("train_autoencoder", **common, **files(tmp_path / folder, "autoencoder.pt"), **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    parts = train("parts")
    states = [w.parser.get_parsed_content("autoencoder").state_dict().values() for w in (whole, parts)]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    bests = [torch.load(tmp_path / name / "autoencoder.pt", weights_only=True).values() for name in ("whole", "parts")]
    assert all(torch.equal(a, b) for a, b in zip(*bests, strict=True))
    assert best_error(whole) == best_error(parts)


def test_stage_two_learns_from_the_frozen_encoder_of_stage_one(autoencoder, phantoms, teacher, tmp_path):
    workflow = run_bundle(
        STAGE_TWO,
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        autoencoder_checkpoint=autoencoder[0],
        **files(tmp_path),
    )
    saved, pathways = torch.load(autoencoder[0], weights_only=True), workflow.parser.get_parsed_content("pathways")
    for _, pathway in pathways.items():
        encoder = pathway.teacher_adapters[0].state_dict()
        assert encoder and all(torch.equal(value, saved[f"encoder.{name}"]) for name, value in encoder.items())
        assert not any(parameter.requires_grad for parameter in pathway.teacher_adapters.parameters())
    assert torch.load(tmp_path / "model.pt", weights_only=True).keys() == workflow.network_def.state_dict().keys()


def test_student_of_another_depth_is_adapted_too(autoencoder, phantoms, teacher, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "autoencoder_checkpoint": autoencoder[0]}
    workflow = run_bundle(STAGE_TWO, student_channels=[2, 4], **common, **files(tmp_path))
    assert workflow.trainer.state.epoch == 1


def test_stage_two_killed_and_started_again_ends_like_a_whole_run(autoencoder, phantoms, teacher, tmp_path):
    def train(folder, **kwargs):
        common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "autoencoder_checkpoint": autoencoder[0]}
        return run_bundle(STAGE_TWO, max_epochs=2, **common, **files(tmp_path / folder), **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    parts = train("parts")
    for name in ("network_def", "pathways"):
        states = [w.parser.get_parsed_content(name).state_dict().values() for w in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"autoencoder_checkpoint": "none.pt"}, r"No checkpoint at 'none\.pt'"),
        ({"autoencoder_checkpoint": "teacher"}, r"weights of another network than this FeatureAutoencoder"),
        ({"autoencoder#channels": [2, 2, 3]}, r"weights of another network than this FeatureAutoencoder"),
    ],
    ids=["missing", "another network's", "other channels"],
)
def test_what_is_wrong_with_stage_one_is_one_clear_error(arguments, cause, autoencoder, phantoms, teacher, tmp_path):
    given = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "autoencoder_checkpoint": autoencoder[0]}
    given |= {key: teacher if value == "teacher" else value for key, value in arguments.items()}
    with pytest.raises(RuntimeError) as caught:
        run_bundle(STAGE_TWO, **given, **files(tmp_path))
    causes = causes_of(caught.value)
    assert any(re.search(cause, text) for text in causes), causes
    assert not (tmp_path / "model.pt").exists()


def test_a_layer_of_other_channels_is_told(phantoms, teacher, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "encoded_layer": "model.0"}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train_autoencoder", **common, **{"autoencoder#in_channels": 5}, **files(tmp_path, "a.pt"))
    causes = causes_of(caught.value)
    assert any(re.search(r"got a feature of shape \(.*\), expected 5 channels", text) for text in causes), causes


def test_an_unwritable_output_folder_is_found_before_anything_else(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train_autoencoder", dataset_dir=str(tmp_path), output_dir=str(tmp_path / "file" / "runs"))
    assert "Cannot write to the folder" in str(caught.value.__cause__)
