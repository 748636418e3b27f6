# SPDX-License-Identifier: Apache-2.0
"""The differences between configs: what a bundle, or one training, inserts into the shared configs."""

from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]
NOTHING: Config = {}


@dataclass(frozen=True)
class Task:
    """
    What the configs of one bundle have and those of the other do not.

    Each ``Config`` is unpacked at its place in ``train.py`` or ``evaluate.py``; an empty one adds nothing.
    """

    bundle: str
    keys: Any  # keys of the sample that are loaded and transformed
    modes: Any  # modes of interpolation, one for each key
    student: Config  # channels and network
    check: str  # expression that checks a network; the network's id replaces {}
    classes: Config = field(default_factory=dict)  # names of the classes
    of_classes: Config = field(default_factory=dict)  # argument of components that need these names
    meta: Config = field(default_factory=dict)  # meta data of tested images; masks need them to get the image's size

    # Trainings only
    values: Config = field(default_factory=dict)  # further values for the user to set
    resume: Any = True
    given: str = ""  # further arguments of choose_split
    loss: Config = field(default_factory=dict)
    dataset: Config = field(default_factory=dict)
    dataloader: Config = field(default_factory=dict)
    prepare_batch: Config = field(default_factory=dict)
    prepared: Config = field(default_factory=dict)  # argument of components that need prepare_batch
    postprocessing: Config = field(default_factory=dict)  # of the validation
    key_metric: Config = field(default_factory=dict)
    best: Config = field(default_factory=dict)  # how the checkpoint saver compares
    compared: Config = field(default_factory=dict)  # how the evaluator compares
    settings: Config = field(default_factory=dict)  # settings that may not change when a run resumes


@dataclass(frozen=True)
class Stage:
    """What one training of a bundle has and the others do not. The defaults are those of a student on labels."""

    title: str  # of the progress bar
    files: Config
    networks: Config
    learning_rate: float = 0.002
    max_epochs: int = 200
    patience: int = 50
    parameters: str = "$list(@network.parameters())"
    handlers: tuple[Config, ...] = ({"_target_": "monai_kd.handlers.FiniteLossHandler"},)
    trainer: str = "SupervisedTrainer"
    teacher: Config = field(default_factory=dict)  # further arguments of the trainer
    resumed: Config = field(default_factory=dict)
    settings: Config = field(default_factory=dict)
    inputs: Config = field(default_factory=dict)
    recorded: Config = field(default_factory=dict)  # checkpoints by the ids of the networks that their records define
    trained: str = "@network_def"
    checked: tuple[str, ...] = ("@network_def",)
    before: tuple[str, ...] = ()  # expressions that run before the trainer
