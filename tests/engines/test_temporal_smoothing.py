# SPDX-License-Identifier: Apache-2.0
"""Logits are averaged over the last frames of one scene, as the equation says, and never across a cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_kd.engines import TemporalSmoothingInferer
from monai_kd.phantom import phantom_volume

SIZE = 48


@pytest.fixture(scope="module")
def sweep():
    """Frames (16, 1, W, H) of a synthetic volume."""
    volume = phantom_volume(0, size=(SIZE, SIZE, 64)).image[..., 20:36]
    return torch.from_numpy(np.moveaxis(volume, -1, 0)[:, None].astype(np.float32))


def framed(frame, number, file="loop.dcm", affine=None):
    meta = {"filename_or_obj": file, "frame": number}
    return MetaTensor(frame, affine=torch.eye(4) if affine is None else affine, meta=meta)[None]


def logits(image):
    return torch.cat([image.mean((1, 2, 3), keepdim=True) + image, -image], 1)


def run(inferer, frames):
    return [inferer(frame, logits)[0].as_tensor() for frame in frames]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_equation(count, sweep):
    found = run(TemporalSmoothingInferer(count), [framed(frame, k) for k, frame in enumerate(sweep)])
    plain = [logits(frame[None])[0] for frame in sweep]
    for t, mean in enumerate(found):
        torch.testing.assert_close(mean, torch.stack(plain[max(0, t - count + 1) : t + 1]).mean(0))


def test_batches_and_plain_tensors_give_the_same(sweep):
    one_by_one = torch.stack(run(TemporalSmoothingInferer(3), [framed(frame, k) for k, frame in enumerate(sweep)]))
    inferer = TemporalSmoothingInferer(3)
    torch.testing.assert_close(torch.cat([inferer(sweep[:7], logits), inferer(sweep[7:], logits)]), one_by_one)


def changes(sweep):
    moved = torch.eye(4)
    moved[0, 3] = 2.0
    return {
        "file": framed(sweep[1], 1, "other.dcm"),
        "gap": framed(sweep[1], 2),
        "again": framed(sweep[1], 0),
        "crop": framed(sweep[1], 1, affine=moved),
        "size": framed(sweep[1][:, :-1], 1),
        "content": framed(sweep[1].flip(1), 1),
        "black": framed(torch.zeros_like(sweep[1]), 1),
    }


@pytest.mark.parametrize("change", ["file", "gap", "again", "crop", "size", "content", "black"])
def test_a_new_scene_begins_anew(change, sweep):
    inferer, second = TemporalSmoothingInferer(3), changes(sweep)[change]
    inferer(framed(sweep[0], 0), logits)
    assert torch.equal(inferer(second, logits).as_tensor(), logits(second).as_tensor())


def test_black_frames_are_one_scene():
    black = torch.zeros(1, 1, SIZE, SIZE)
    inferer = TemporalSmoothingInferer(2)
    assert [float(inferer(black, lambda image, gain=gain: image + gain).mean()) for gain in (0, 4, 8)] == [0, 2, 6]
    inferer.reset()
    assert float(inferer(black, lambda image: image + 7).mean()) == 7


def test_the_default_tells_neighbors_from_strangers(sweep):
    """What the docstring says of synthetic sweeps."""
    inferer, strangers = TemporalSmoothingInferer(), phantom_volume(3, size=(SIZE, SIZE, 64)).image[..., 20:36]
    inferer(framed(sweep[0], 0), logits)
    for number, frame in enumerate(sweep[1:], 1):
        before = logits(framed(frame, number)).as_tensor()
        assert not torch.equal(inferer(framed(frame, number), logits).as_tensor(), before), number
    stranger = framed(torch.from_numpy(strangers[..., 15].astype(np.float32))[None], len(sweep))
    assert torch.equal(inferer(stranger, logits).as_tensor(), logits(stranger).as_tensor())


def test_bad_input():
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        TemporalSmoothingInferer(0)
    with pytest.raises(ValueError, match="least_correlation must be from -1 to 1, got 2"):
        TemporalSmoothingInferer(2, 2)
    with pytest.raises(ValueError, match="the network returned a list"):
        TemporalSmoothingInferer(2)(torch.zeros(1, 1, 8, 8), lambda image: [image])
