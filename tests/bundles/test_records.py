# SPDX-License-Identifier: Apache-2.0
"""Evaluation, inference and further trainings take network and sizes from the checkpoint that they load."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow, run

from monai_kd.utils.messages import first_cause
from tests.bundles.conftest import ROOT, TINY, run_bundle, started, unet

PLAIN = {"device": "$torch.device('cpu')", "quiet": True}
SMALL = {"spatial_size", "student_channels"}


def workflow(config, **values):
    """A config without the sizes of the training."""
    configs = [config] if isinstance(config, str) else config
    return started(configs, **PLAIN, **{key: str(value) for key, value in values.items()})


@pytest.fixture(scope="module")
def moved(student, tmp_path_factory):
    """The trained student in another folder, away from everything else that its training wrote."""
    return str(shutil.copy(student, tmp_path_factory.mktemp("moved") / "renamed.pt"))


def test_an_evaluation_needs_no_sizes(moved, phantoms, tmp_path):
    places = {"checkpoint": moved, "dataset_dir": phantoms}
    made = workflow("evaluate", output_dir=tmp_path / "recorded", **places)
    made.run()
    run_bundle("evaluate", output_dir=str(tmp_path / "given"), **places)
    scores = [(tmp_path / name / "scores.csv").read_text() for name in ("recorded", "given")]
    assert scores[0] == scores[1]
    config = json.loads((tmp_path / "recorded" / "evaluate_config.json").read_text())
    assert {key: config[key] for key in SMALL} == {key: TINY[key] for key in SMALL}
    assert config["network_def"]["channels"] == "@student_channels"


def test_monais_own_command_takes_the_record(moved, phantoms, tmp_path):
    for name in ("original/000001.png", "original/000002.png"):
        (tmp_path / "images").mkdir(exist_ok=True)
        shutil.copy(Path(phantoms, name), tmp_path / "images")
    arguments = {**PLAIN, "checkpoint": moved, "dataset_dir": str(tmp_path / "images"), "bundle_root": str(ROOT)}
    config = str(ROOT / "configs" / "inference.json")
    run(config_file=config, output_dir=str(tmp_path / "masks"), logging_file=False, **arguments)
    assert len(list((tmp_path / "masks").glob("*.png"))) == 2
    with pytest.raises(Exception) as caught:
        run(
            config_file=config,
            output_dir=str(tmp_path / "no"),
            student_channels=[2, 4],
            logging_file=False,
            **arguments,
        )
    told = str(first_cause(caught.value, (ValueError,)))
    assert told.startswith("'student_channels' is [2, 4], but") and "was trained with [2, 4, 4]" in told
    assert not (tmp_path / "no").exists() or not list((tmp_path / "no").glob("*.png"))


def test_another_size_is_scored_only_if_it_was_given(moved, phantoms, tmp_path, caplog):
    made = workflow("evaluate", checkpoint=moved, dataset_dir=phantoms, output_dir=tmp_path, spatial_size="$[64, 64]")
    assert made.parser.get_parsed_content("spatial_size") == [64, 64]
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING and "spatial_size" in one.message]
    assert "is [64, 64], but" in warning.message and "trained with [32, 32]" in warning.message


def test_a_training_takes_its_teachers_network_and_compares_its_size(teacher, phantoms, tmp_path, caplog):
    places = {"dataset_dir": phantoms, "output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    made = workflow(["train", "methods/hidden_mse"], teacher_checkpoint=teacher, **places)
    assert made.parser["teacher_def"] == TINY["teacher_def"]
    assert made.parser["spatial_size"] == [224, 224]
    assert "spatial_size is [224, 224], but" in " ".join(caplog.messages)


def test_teachers_without_a_checkpoint_take_no_record(teacher, phantoms, tmp_path):
    for overlay in ("teachers/self_ema", "teachers/imagenet"):
        made = ConfigWorkflow(
            [str(ROOT / "configs" / f"{name}.json") for name in ("train", overlay)], workflow_type="train",
            logging_file=False, teacher_checkpoint=teacher,
        )  # fmt: skip
        assert made.parser["recorded"] == {"teacher_def": None}


def test_a_training_goes_on_from_a_students_weights_with_its_sizes(student, teacher, phantoms, tmp_path):
    places = {"dataset_dir": phantoms, "output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    files = {"initial_checkpoint": student, "teacher_checkpoint": teacher}
    made = workflow(["train", "initial_weights"], **files, **places)
    assert {key: made.parser[key] for key in SMALL} == {key: TINY[key] for key in SMALL}


def test_members_of_an_ensemble_are_those_of_their_checkpoints(teacher, phantoms, tmp_path):
    places = {"dataset_dir": phantoms, "output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    made = workflow(["train", "teachers/ensemble"], teacher_checkpoint=f"$['{teacher}'] * 2", **places)
    made.parser.get_parsed_content("run#0")
    assert made.parser["teacher_member"] == {"_mode_": "callable", **unet(4, 4, 6, 6)}
