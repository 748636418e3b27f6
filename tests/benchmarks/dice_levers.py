# SPDX-License-Identifier: Apache-2.0
"""What may make the bundle's training shorter, each alone: a function that changes the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from dice_setup import RATE, Setup
from monai.bundle import ConfigParser

Change = Callable[[ConfigParser, Setup], None]


def values(**changed: Any) -> Change:
    """Other values; two underscores stand for the ``#`` of an id."""
    ids = {name.replace("__", "#"): value for name, value in changed.items()}
    return lambda parser, setup: parser.update(ids)


def live_teacher(parser: ConfigParser, setup: Setup) -> None:
    """The averaged teacher is run on every view."""
    parser.update(
        {
            "train#trainer#teacher": {"_target_": "monai_kd.networks.FlipAverage", "network": "@teacher_def"},
            "views#teacher": {"_target_": "monai_kd.transforms.View"},
            "views#aligned": False,
        }
    )


def channels_last(parser: ConfigParser, setup: Setup) -> None:
    parser["network_def"].to(memory_format=torch.channels_last)


def batch(share: float, steps: float) -> Change:
    """Another size of the batch, with as much of the rate and the inverse number of steps."""

    def change(parser: ConfigParser, setup: Setup) -> None:
        size, count = round(share * setup.batch), round(steps * setup.steps)
        parser.update({"batch_size": size, "steps_per_epoch": count, "learning_rate": RATE * share**0.5})
        images = len(parser["train#sampler"].data_source)
        generator = torch.Generator().manual_seed(parser["seed"])
        parser["train#sampler"] = torch.utils.data.RandomSampler(
            range(images), num_samples=size * count, generator=generator
        )

    return change


def progressive(shares: tuple[float, ...]) -> Change:
    def change(parser: ConfigParser, setup: Setup) -> None:
        sizes = [[16 * round(share * setup.side / 16)] * 2 for share in shares]
        handler = {"_target_": "monai_kd.handlers.ProgressiveSizeHandler", "sizes": sizes}
        parser.update({"further_handlers": [handler]})

    return change


def average(momentum: float, interval: int) -> Change:
    def change(parser: ConfigParser, setup: Setup) -> None:
        from ignite.handlers import EMAHandler

        handler = EMAHandler(parser["network_def"], momentum=momentum, handle_buffers="update")
        parser.update({"validate#evaluator#network": handler.ema_model, "val_interval": interval})
        parser.update({"further_handlers": [handler]})

    return change


def loops(count: float) -> Change:
    return lambda parser, setup: parser.update({"max_epochs": round(count * setup.epochs)})


LEVERS: dict[str, Change] = {
    "live averaged teacher": live_teacher,
    "fused optimizer": values(optimizer__fused=True),
    "channels-last": channels_last,
    "progressive size": progressive((0.5, 0.67, 1.0)),
    "batch twice as large, half as many steps": batch(2, 0.5),
    "half the batch": batch(0.5, 1),
    "average of the weights is validated": average(0.03, 1),
    "compiled student": values(train__trainer__compile=True),
    "half as many epochs": loops(0.5),
}
