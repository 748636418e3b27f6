# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: files with flipped, missing or non-finite numbers are refused, and other readers see ordinary files."""

import random

import pytest
import torch
from ignite.engine import Engine
from monai.handlers import CheckpointLoader
from torch import nn

from monai_kd.teachers import load_weights
from monai_kd.utils.checkpoints import (
    CheckpointError,
    first_not_finite,
    load_checkpoint,
    require_finite,
    save_checkpoint,
)
from tests.helpers import assert_identical


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.pt"
    save_checkpoint({"model": network().state_dict(), "epoch": 3, "names": ["a", None]}, path)
    return path


def test_every_reader_sees_an_ordinary_file(saved):
    expected = {"model": dict(network().state_dict()), "epoch": 3, "names": ["a", None]}
    for content in (
        torch.load(saved, weights_only=True),
        torch.load(saved, weights_only=True, mmap=True),
        load_checkpoint(saved),
        load_checkpoint(saved, mapped=True),
        load_checkpoint(saved, checked=True),
    ):
        assert_identical({**content, "model": dict(content["model"])}, expected)
    loaded, engine = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)), Engine(lambda *_: None)
    CheckpointLoader(str(saved), {"model": loaded}).attach(engine)
    engine.run([0])
    assert_identical(dict(loaded.state_dict()), expected["model"])


def test_the_same_content_is_the_same_file(tmp_path, saved):
    save_checkpoint(torch.load(saved, weights_only=True), tmp_path / "again" / "model.pt")
    assert (tmp_path / "again" / "model.pt").read_bytes() == saved.read_bytes()


def flips(size):
    """All bytes at both ends, where the archive's lists and the digest are, and some bytes between."""
    chance = random.Random(0)
    return sorted({*range(40), *range(size - 200, size), *(chance.randrange(size) for _ in range(150))})


def test_no_flipped_byte_is_taken(saved):
    content = saved.read_bytes()
    for place in flips(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.pt' is not a checkpoint of plain tensors\. It is damaged"):
            load_checkpoint(saved)


def test_several_flipped_bytes_are_not_taken(saved):
    content, chance = saved.read_bytes(), random.Random(1)
    for _ in range(50):
        damaged = bytearray(content)
        for place in chance.sample(range(len(content)), 20):
            damaged[place] ^= chance.randrange(1, 256)
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_checkpoint(saved)


def test_cut_and_lengthened_files_are_not_taken(saved):
    content = saved.read_bytes()
    for damaged in (b"", content[:1], content[:-1], content[:-71], content[: len(content) // 2], content + b"\0"):
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_checkpoint(saved)


def test_files_of_plain_torch_are_taken_and_their_check_sums_compared(tmp_path):
    for old in (False, True):
        torch.save(network().state_dict(), tmp_path / "plain.pt", _use_new_zipfile_serialization=not old)
        load_weights(network(), tmp_path / "plain.pt")
    torch.save(network().state_dict(), tmp_path / "plain.pt")
    content = (tmp_path / "plain.pt").read_bytes()
    place = content.index(network()[0].weight.detach().numpy().tobytes()[:16]) + 5
    (tmp_path / "plain.pt").write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    with pytest.raises(CheckpointError, match=r"It is damaged: the checksum of '.*' in it is wrong"):
        load_weights(network(), tmp_path / "plain.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["0.weight", "1.running_var", "2.bias"])
def test_weights_that_are_not_finite_are_refused(tmp_path, name, value):
    state = network().state_dict()
    state[name] = state[name].clone()
    state[name].flatten()[0] = value
    torch.save(state, tmp_path / "model.pt")
    loaded = network()
    with pytest.raises(ValueError, match=rf"model\.pt' holds numbers that are not finite, first in '{name}' \(1 of"):
        load_weights(loaded, tmp_path / "model.pt")
    assert_identical(dict(loaded.state_dict()), dict(network().state_dict()))


def test_what_is_infinite_by_itself_is_taken():
    mask = nn.Module()
    mask.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    require_finite(mask.state_dict(), "model.pt", own=dict(mask.named_buffers()))
    other = {"mask": torch.tensor([-torch.inf, 0.0])}
    assert first_not_finite(other, own=dict(mask.named_buffers())) == "'mask' (1 of 2)"
    assert first_not_finite({"mask": torch.tensor([0.0, torch.nan])}, own=dict(mask.named_buffers())) is not None
    assert first_not_finite({"count": torch.tensor([1, 2]), "empty": torch.zeros(0)}) is None
