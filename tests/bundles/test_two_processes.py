# SPDX-License-Identifier: Apache-2.0
"""The bundle under torchrun: as one process on the same batches, and when one of two processes is killed."""

import os
import signal

import pytest
import torch
import torch.distributed as dist
from ignite.engine import Events

from monai_kd.data import read_dataset
from tests.bundles.conftest import run_bundle, start_two_processes

CONFIGS = ["train", "methods/logits_and_hidden"]
SEVERAL_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


class EndOneProcess:
    """Kills the second process in the middle of an epoch."""

    def attach(self, engine):
        if dist.get_rank() == 1:
            engine.add_event_handler(Events.ITERATION_COMPLETED(once=4), lambda _: os.kill(os.getpid(), signal.SIGKILL))


def records(phantoms):
    """Eight images to train with, so that each process has as many batches of two as one has of four; and two more."""
    found = [{key: record[key] for key in ("id", "image", "label")} for record in read_dataset(phantoms)]
    return found[:8], found[8:10]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=SEVERAL_GPUS)])
def test_two_processes_equal_one_on_the_same_batches(device, phantoms, teacher, tmp_path):
    training, validation = records(phantoms)
    common = {
        "teacher_checkpoint": teacher,
        "seen_images": "warn",
        "train#dataset#data": training,
        "validate#dataset#data": validation,
        "train#random_transforms": [],
        "loss#batch": False,  # a Dice over the batch is one over each process's own images
        "max_epochs": 2,
        "amp": False,
    }

    def files(name):
        return {"output_dir": str(tmp_path / name), "checkpoint": str(tmp_path / name / "model.pt")}

    common["train#sampler"] = {"_target_": "torch.utils.data.SequentialSampler", "data_source": "@train#dataset"}
    one = {"batch_size": 4, "device": f"$torch.device('{device}')"}
    run_bundle(CONFIGS, **common, **one, **files("one"))
    two = {"batch_size": 2, "device": "cpu" if device == "cpu" else None}
    run = start_two_processes(CONFIGS, **common, **two, **files("two"))
    assert run.returncode == 0, run.stderr[-3000:]
    states = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("one", "two")]
    assert states[0]["iteration"] == states[1]["iteration"] == 4
    for part in ("network", "pathways"):
        expected, found = (state["objects"][part] for state in states)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_killed_process_ends_all(phantoms, teacher, tmp_path):
    files = {"output_dir": tmp_path, "checkpoint": tmp_path / "model.pt"}
    kill = {"train#handlers#1": {"_target_": f"{__name__}.EndOneProcess"}, "max_epochs": 1000, "patience": 1000}
    run = start_two_processes(CONFIGS, dataset_dir=phantoms, teacher_checkpoint=teacher, **files, **kill)
    assert run.returncode != 0
    assert "SIGKILL" in run.stderr and "rank      : 1" in run.stderr
