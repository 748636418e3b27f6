# SPDX-License-Identifier: Apache-2.0
"""What may make the bundle's training shorter, each alone: a function that changes the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from dice_setup import RATE, Setup
from ignite.handlers import EMAHandler
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
    """The student's weights and features keep the channels of a pixel side by side."""
    parser["network_def"].to(memory_format=torch.channels_last)


def batch(share: float, steps: float) -> Change:
    """Another size of the batch and number of steps; the rate goes with the root of the size."""

    def change(parser: ConfigParser, setup: Setup) -> None:
        size, count = round(share * setup.batch), round(steps * setup.steps)
        parser.update({"batch_size": size, "steps_per_epoch": count, "learning_rate": RATE * share**0.5})
        parser["train#sampler"] = setup.order(parser["seed"], len(parser["train#sampler"].data_source), size * count)

    return change


def average(parser: ConfigParser, setup: Setup) -> None:
    """A moving average of the weights is validated, over about 33 steps."""
    handler = EMAHandler(parser["network_def"], momentum=0.03, handle_buffers="update")
    parser.update({"validate#evaluator#network": handler.ema_model, "further_handlers": [handler]})


def half_as_long(parser: ConfigParser, setup: Setup) -> None:
    """Half as many epochs, and a schedule of that length."""
    parser.update({"max_epochs": max(1, setup.epochs // 2)})


def together(*changes: Change) -> Change:
    """One change after the other."""

    def change(parser: ConfigParser, setup: Setup) -> None:
        for one in changes:
            one(parser, setup)

    return change


LOOP = values(optimizer__fused=False)
TWICE = values(learning_rate=2 * RATE)
# Each alone, beside an optimizer that takes the weights one by one; the recipe's own is fused.
LEVERS: dict[str, Change] = {
    "no lever: the recipe without a fused optimizer": LOOP,
    "live averaged teacher": together(LOOP, live_teacher),
    "channels-last": together(LOOP, channels_last),
    "half the batch": together(LOOP, batch(0.5, 1)),
    "batch twice as large, half as many steps": together(LOOP, batch(2, 0.5)),
    "twice the learning rate": together(LOOP, TWICE),
    "average of the weights is validated": together(LOOP, average),
    "half as many epochs": together(LOOP, half_as_long),
    "compiled student": together(LOOP, values(train__trainer__compile=True)),
    "fused, channels-last and twice the learning rate": together(channels_last, TWICE),
}
