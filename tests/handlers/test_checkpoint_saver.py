# SPDX-License-Identifier: Apache-2.0
import errno
import os
import resource
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.handlers import CheckpointLoader, CheckpointSaver
from torch import nn

from monai_kd.handlers import AtomicCheckpointSaver
from tests.helpers import assert_identical, small_files_only

KINDS = {
    "final": {"save_final": True},
    "final, named": {"save_final": True, "final_filename": "final.pt"},
    "best": {"save_key_metric": True},
    "best, named": {"save_key_metric": True, "key_metric_filename": "model.pt"},
    "best two": {"save_key_metric": True, "key_metric_n_saved": 2, "file_prefix": "run"},
    "least": {"save_key_metric": True, "key_metric_negative_sign": True},
    "latest of equals": {"save_key_metric": True, "key_metric_greater_or_equal": True},
    "with its own state": {"save_key_metric": True, "key_metric_save_state": True},
    "every second epoch": {"save_interval": 2},
    "last two": {"save_interval": 1, "n_saved": 2},
    "every third iteration": {"save_interval": 3, "epoch_level": False, "n_saved": 1},
    "all": {"save_final": True, "save_key_metric": True, "save_interval": 1},
}


class Weights(nn.Module):
    """A network whose weights are the number of the epoch."""

    def __init__(self, size=4):
        super().__init__()
        self.register_buffer("value", torch.zeros(size))


def run(folder, network, scores, saver_class=AtomicCheckpointSaver, saved=None, **arguments):
    """One epoch of two iterations for each score."""
    engine = Engine(lambda engine, batch: None)

    @engine.on(Events.EPOCH_COMPLETED)
    def score(engine):
        network.value.fill_(engine.state.epoch)
        engine.state.metrics["dice"] = scores[engine.state.epoch - 1]

    saver = saver_class(
        str(folder),
        saved or {"model": network},
        **{"key_metric_name": "dice", **arguments},
    )
    saver.attach(engine)
    engine.run([0, 0], max_epochs=len(scores))
    return saver


def contents(folder):
    return {path.name: torch.load(path, weights_only=True) for path in sorted(folder.iterdir())}


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a disk needs the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("objects", [("model",), ("model", "optimizer")], ids=len)
@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS.keys())
def test_same_files_as_monais(tmp_path, arguments, objects):
    folders = {}
    for name, saver_class in (("monai", CheckpointSaver), ("atomic", AtomicCheckpointSaver)):
        network = Weights()
        parts = {"model": network, "optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)}
        folders[name] = tmp_path / name
        run(
            folders[name],
            network,
            [0.2, 0.5, 0.5, 0.4],
            saver_class,
            {key: parts[key] for key in objects},
            **arguments,
        )
    expected, actual = contents(folders["monai"]), contents(folders["atomic"])
    assert expected
    assert_identical(actual, expected)


def test_monais_loader_reads_it(tmp_path):
    run(tmp_path, Weights(), [0.1, 0.3, 0.2], save_key_metric=True, key_metric_filename="model.pt")
    network, engine = Weights(), Engine(lambda engine, batch: None)
    CheckpointLoader(str(tmp_path / "model.pt"), {"model": network}).attach(engine)
    engine.run([0])
    assert network.value.tolist() == [2.0] * 4


def assert_former_survives(folder, network, fails, match):
    """A first epoch is saved; saving a second, better one fails."""
    arguments = {"save_key_metric": True, "key_metric_filename": "model.pt"}
    network.value.resize_(4)
    run(folder, network, [0.1], **arguments)
    network.value = torch.zeros(50_000)
    with fails, pytest.raises(ValueError, match=match) as error:
        run(folder, network, [0.2], **arguments)
    assert "\n" not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ["model.pt"]
    torch.testing.assert_close(torch.load(folder / "model.pt", weights_only=True), {"value": torch.ones(4)})


@pytest.mark.parametrize("limit", [0, 100, 100_000, 200_300])
def test_failed_write_leaves_the_former_file(tmp_path, limit):
    match = r"Writing '.*/model\.pt' failed: File too large\. Free some space\. An earlier file there is unchanged\."
    assert_former_survives(tmp_path, Weights(), small_files_only(limit), match)


def test_full_disk_leaves_the_former_file(full_disk):
    match = r"Writing '.*/model\.pt' failed: No space left on device\. Free some space"
    assert_former_survives(full_disk, Weights(), small_files_only(resource.RLIM_INFINITY), match)


def test_failed_rename_leaves_the_former_file(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def no_rename():
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail)
            yield

    assert_former_survives(tmp_path, Weights(), no_rename(), r"Writing '.*/model\.pt' failed: No space left on device")


def test_failed_write_keeps_the_best_under_its_score(tmp_path):
    network = Weights()

    class Failing(AtomicCheckpointSaver):
        def metrics_completed(self, engine):
            if engine.state.epoch == 2:
                network.value = torch.zeros(50_000)
            with small_files_only(10_000 if engine.state.epoch == 2 else resource.RLIM_INFINITY):
                super().metrics_completed(engine)

    with pytest.raises(ValueError, match=r"model_key_metric=0\.2000\.pt' failed"):
        run(tmp_path, network, [0.1, 0.2], Failing, save_key_metric=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model_key_metric=0.1000.pt"]


@pytest.mark.parametrize("number", [float, np.float64])
def test_resumed_saver_keeps_a_better_model(number, tmp_path):
    arguments = {"save_key_metric": True, "key_metric_filename": "model.pt"}
    first = run(tmp_path, Weights(), [number(score) for score in (0.3, 0.5, 0.8, 0.4)], **arguments)
    torch.save(first.state_dict(), tmp_path / "state.pt")  # as ResumeHandler does
    state = torch.load(tmp_path / "state.pt", weights_only=True)

    class Resumed(AtomicCheckpointSaver):
        def attach(self, engine):
            self.load_state_dict(state)
            super().attach(engine)

    run(tmp_path, Weights(), [0.7, 0.8], Resumed, **arguments)
    assert contents(tmp_path)["model.pt"]["value"][0] == 3
    run(tmp_path, Weights(), [0.7, 0.9], Resumed, **arguments)
    assert contents(tmp_path)["model.pt"]["value"][0] == 2


def test_state_of_a_saver_without_scores_is_empty(tmp_path):
    saver = AtomicCheckpointSaver(str(tmp_path), {"model": Weights()}, save_final=True)
    assert saver.state_dict() == {}
    saver.load_state_dict({})


def test_home_folder_is_monais(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run("~/models", Weights(), [0.1], save_final=True, final_filename="final.pt")
    assert list(contents(tmp_path / "models")) == ["final.pt"]


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match=r"Cannot write to the folder '.*/file/models': .* Choose one that is writable"
    ):
        AtomicCheckpointSaver(str(tmp_path / "file" / "models"), {"model": Weights()}, save_final=True)


def test_compiled_network_is_saved_under_its_own_names(tmp_path):
    network = torch.nn.Linear(2, 2)
    saver = AtomicCheckpointSaver(
        str(tmp_path), {"model": torch.compile(network)}, save_final=True, final_filename="model.pt"
    )
    engine = Engine(lambda engine, batch: None)
    saver.attach(engine)
    engine.run([0])
    assert torch.load(tmp_path / "model.pt", weights_only=True).keys() == network.state_dict().keys()
