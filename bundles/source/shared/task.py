# SPDX-License-Identifier: Apache-2.0
"""The places in the shared configs that a bundle or a training fills in. An empty one is left out."""

from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What the configs of one bundle say that those of the other do not."""

    bundle: str
    keys: Any  # of a sample, which are loaded and changed alike
    modes: Any  # of interpolation, for these keys
    student: Config
    check: str  # of a network, whose name is written for {}
    classes: Config = field(default_factory=dict)
    of_classes: Config = field(default_factory=dict)  # of a part that takes the classes
    meta: Config = field(default_factory=dict)  # of images that are tested, which masks need to return to their size
    # Of its trainings:
    values: Config = field(default_factory=dict)
    resume: Any = True
    given: str = ""
    loss: Config = field(default_factory=dict)
    dataset: Config = field(default_factory=dict)
    dataloader: Config = field(default_factory=dict)
    prepare_batch: Config = field(default_factory=dict)
    prepared: Config = field(default_factory=dict)  # of a part that takes prepare_batch
    postprocessing: Config = field(default_factory=dict)
    key_metric: Config = field(default_factory=dict)
    best: Config = field(default_factory=dict)
    compared: Config = field(default_factory=dict)
    settings: Config = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What one training says that the others of its bundle do not."""

    title: str
    files: Config
    networks: Config
    learning_rate: float = 0.002
    max_epochs: int = 200
    patience: int = 50
    parameters: str = "$list(@network.parameters())"
    handlers: tuple[Config, ...] = ({"_target_": "monai_kd.handlers.FiniteLossHandler"},)
    trainer: str = "SupervisedTrainer"
    teacher: Config = field(default_factory=dict)
    resumed: Config = field(default_factory=dict)
    settings: Config = field(default_factory=dict)
    inputs: Config = field(default_factory=dict)
    trained: str = "@network_def"
    checked: tuple[str, ...] = ("@network_def",)
    before: tuple[str, ...] = ()
