# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.transforms import Randomizable
from torch.utils.data import DistributedSampler

from monai_kd.utils.processes import rank

__all__ = ["SeedHandler"]


class SeedHandler:
    """
    Seeds all random numbers at the start of each epoch, from seed, epoch and process.

    So an epoch of a resumed run equals that of an uninterrupted one, and no random state has to be saved. It seeds
    torch, NumPy, Python, the random transforms, a random ``prepare_batch`` of the trainer, and a ``DistributedSampler``
    (with the same seed in all processes, which share its order). ``monai.utils.set_determinism`` seeds only once, and
    makes the algorithms on the GPU slower.

    Args:
        seed: 0 or more; runs with the same seed repeat each other.
        transform: the random transforms of the training data, such as a ``Compose``. Defaults to None.

    Example:
        >>> def draws(epochs):
        ...     drawn = []
        ...     trainer = Engine(lambda engine, batch: drawn.append(torch.rand(()).item()))
        ...     SeedHandler(seed=0).attach(trainer)
        ...     trainer.run([0], max_epochs=epochs)
        ...     return drawn
        >>> draws(3)[:2] == draws(2)
        True
    """

    def __init__(self, seed: int, transform: Any = None) -> None:
        self.seed = seed
        self.transform = transform

    def attach(self, engine: Engine) -> None:
        """Seed every epoch of ``engine``, a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        epoch, process = engine.state.epoch, rank()
        seed = self._draw(epoch, process)
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        if isinstance(self.transform, Randomizable):
            self.transform.set_random_state(seed=seed)
        prepare_batch = getattr(engine, "prepare_batch", None)
        if isinstance(prepare_batch, Randomizable):
            prepare_batch.set_random_state(seed=self._draw(epoch, process, 1))
        sampler = getattr(engine.state.dataloader, "sampler", None)
        if isinstance(sampler, DistributedSampler):
            sampler.set_epoch(self._draw(epoch))

    def _draw(self, *keys: int) -> int:
        return int(np.random.SeedSequence([self.seed, *keys]).generate_state(1)[0])
