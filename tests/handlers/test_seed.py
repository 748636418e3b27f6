# SPDX-License-Identifier: Apache-2.0
import random

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader, DistributedSampler
from monai.transforms import Compose, Lambda, RandFlip, RandGaussianNoise, RandShiftIntensity

from monai_kd.handlers import SeedHandler


def transform():
    return Compose(
        [Lambda(lambda x: x), RandFlip(0.5), Compose([RandGaussianNoise(1.0), RandShiftIntensity(1.0, prob=1.0)])]
    )


def draws(seed, epochs, first=1, random_transform=None):
    """Two random numbers each from torch, NumPy, Python and the transforms in an epoch."""
    seen = []

    def step(engine, batch):
        noisy = () if random_transform is None else random_transform(torch.zeros(1, 4, 4)).flatten().tolist()
        seen.append((engine.state.epoch, torch.rand(2).tolist(), np.random.rand(), random.random(), *noisy))

    engine = Engine(step)
    SeedHandler(seed, random_transform).attach(engine)
    engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", first - 1))
    engine.run([0, 0], max_epochs=epochs)
    return seen


def test_a_seed_determines_everything():
    whole = draws(3, 3, random_transform=transform())
    torch.rand(5), np.random.rand(), random.random()
    assert draws(3, 3, random_transform=transform()) == whole


def test_an_epoch_does_not_depend_on_those_before():
    whole = draws(3, 3, random_transform=transform())
    used = transform()
    used(torch.zeros(1, 4, 4))
    assert draws(3, 3, first=3, random_transform=used) == whole[4:]


def test_seeds_epochs_and_steps_differ():
    rows = [row[1:] for seed in (0, 1, 2) for row in draws(seed, 4, random_transform=transform())]
    for column in zip(*rows, strict=True):
        assert len({str(value) for value in column}) == len(rows)


def orders(seed, first=1):
    """The order in which each of two processes sees eight images, in three epochs."""
    seen = []
    for rank in range(2):
        sampler = DistributedSampler(range(8), num_replicas=2, rank=rank, shuffle=True, even_divisible=True)
        loader = DataLoader(range(8), sampler=sampler, batch_size=2)
        epochs = {}
        engine = Engine(lambda engine, batch, e=epochs: e.setdefault(engine.state.epoch, []).extend(batch.tolist()))
        SeedHandler(seed).attach(engine)
        engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", first - 1))
        engine.run(loader, max_epochs=3)
        seen.append(list(epochs.values()))
    return list(zip(*seen, strict=True))


def test_processes_share_one_order_that_is_new_in_every_epoch():
    whole = orders(0)
    assert all(sorted(first + second) == list(range(8)) for first, second in whole)
    assert len({str(epoch) for epoch in whole + orders(1)}) == 6
    assert orders(0, first=3) == whole[2:]


def test_a_transform_without_randomness_or_none_is_fine():
    assert draws(0, 1, random_transform=Lambda(lambda x: x))
    assert draws(0, 1)


def test_it_leaves_the_algorithms_alone():
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    draws(0, 1)
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic) == before
