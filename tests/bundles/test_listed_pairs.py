# SPDX-License-Identifier: Apache-2.0
"""The three trainings on lists of images from outside, as MONAI Label's bundle task overrides the configs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.bundles.conftest import run_bundle

TRAININGS = ("train", "train_student", "train_teacher")


@pytest.fixture(scope="module")
def pairs(phantoms):
    root = Path(phantoms)
    return [
        {"image": str(path), "label": str(root / "GT" / path.name)} for path in sorted((root / "original").iterdir())
    ]


def train(config, folder, teacher, training, validation, **arguments):
    further = {"teacher_checkpoint": teacher} if config == "train" else {}
    return run_bundle(
        config,
        dataset_dir="no/such/folder",
        output_dir=str(folder),
        seen_images="warn",  # by the teacher, whose split is another
        checkpoint=str(folder / "models" / "model.pt"),
        **{"train#dataset#data": training, "validate#dataset#data": validation, **further, **arguments},
    )


@pytest.mark.parametrize("config", TRAININGS)
def test_it_trains_on_lists_without_a_folder_and_then_anew_on_more(config, pairs, teacher, tmp_path):
    for count in (4, 6):
        workflow = train(config, tmp_path, teacher, pairs[:count], pairs[-3:])
        ids = [f"{number + 1:06d}" for number in range(count)]
        assert [record["id"] for record in workflow.train_dataset.data] == ids
        assert workflow.trainer.state.iteration == -(-count // 4)
        assert torch.load(tmp_path / "last.pt", weights_only=True)["settings"]["training images"] == str(ids)
    best = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()


def test_asked_to_resume_it_is_as_strict_as_ever(pairs, teacher, tmp_path):
    train("train", tmp_path, teacher, pairs[:4], pairs[-3:])
    with pytest.raises(RuntimeError) as caught:
        train("train", tmp_path, teacher, pairs[:5], pairs[-3:], resume=True)
    assert "a run with another training images" in str(caught.value.__cause__)


@pytest.mark.parametrize("config", TRAININGS)
def test_the_learning_rate_follows_the_trainers_own_number_of_epochs(config, pairs, teacher, tmp_path):
    """MONAI Label sets only the trainer's number of epochs."""
    epochs = {"train#trainer#max_epochs": 3}
    workflow = train(config, tmp_path, teacher, pairs[:5], pairs[-3:], **epochs)
    assert workflow.trainer.state.epoch == 3
    assert workflow.parser.get_parsed_content("lr_scheduler").total_steps == 3 * 2


def test_without_images_to_validate_with_it_does_not_train(pairs, teacher, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train("train", tmp_path, teacher, pairs[:4], [])
    assert "The list of validation images is empty" in str(caught.value.__cause__)
