# SPDX-License-Identifier: Apache-2.0
"""The differences between configs: what a bundle, and what one training, puts into the places of the shared ones."""

from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]
NOTHING: Config = {}


@dataclass(frozen=True)
class Task:
    """
    What the configs of one bundle say and those of the other do not.

    Each ``Config`` is unpacked at its place in ``train.py`` or ``evaluate.py``; an empty one leaves nothing there.
    """

    bundle: str
    keys: Any  # of the sample: what is loaded and transformed
    modes: Any  # of interpolation, one for each key
    student: Config  # its channels and its network
    check: str  # checks a network, whose id replaces {}
    classes: Config = field(default_factory=dict)  # their names
    of_classes: Config = field(default_factory=dict)  # the argument of what takes their names
    meta: Config = field(default_factory=dict)  # of tested images; masks need it to return to the image's size

    # Trainings only
    values: Config = field(default_factory=dict)  # further ones that a user sets
    resume: Any = True
    given: str = ""  # further arguments of choose_split
    loss: Config = field(default_factory=dict)
    dataset: Config = field(default_factory=dict)
    dataloader: Config = field(default_factory=dict)
    prepare_batch: Config = field(default_factory=dict)
    prepared: Config = field(default_factory=dict)  # the argument of what takes prepare_batch
    postprocessing: Config = field(default_factory=dict)  # of validation
    key_metric: Config = field(default_factory=dict)
    best: Config = field(default_factory=dict)  # how the checkpoint saver compares
    compared: Config = field(default_factory=dict)  # how the evaluator compares
    settings: Config = field(default_factory=dict)  # that a resumed run must have in common


@dataclass(frozen=True)
class Stage:
    """What one training of a bundle says and the others do not. The defaults are those of a student on labels."""

    title: str  # of the progress bar
    files: Config
    networks: Config
    learning_rate: float = 0.002
    max_epochs: int = 200
    patience: int = 50
    parameters: str = "$list(@network.parameters())"
    handlers: tuple[Config, ...] = ({"_target_": "monai_kd.handlers.FiniteLossHandler"},)
    trainer: str = "SupervisedTrainer"
    teacher: Config = field(default_factory=dict)  # the trainer's further arguments
    resumed: Config = field(default_factory=dict)
    settings: Config = field(default_factory=dict)
    inputs: Config = field(default_factory=dict)
    trained: str = "@network_def"
    checked: tuple[str, ...] = ("@network_def",)
    before: tuple[str, ...] = ()  # what runs before the trainer
