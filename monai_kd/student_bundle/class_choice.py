# SPDX-License-Identifier: Apache-2.0
"""A student of a few of its teacher's classes: which they are, and what changes in the configs."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monai.bundle import ConfigParser

from monai_kd.bundle.config_ids import Config, find
from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.utils.messages import closest

__all__ = ["DATASETS", "ClassChoice", "channel_steps", "choose_classes"]

COUNTS = ("to_onehot", "num_classes", "n_classes")  # arguments of transforms and metrics that count the classes
DATASETS = ("train#dataset", "validate#dataset", "dataset")
STEPS = "class_steps"
NAMING = ("SplitDim", "Lambda", "LabelToMask", "MapLabelValue", "KeepLargestConnectedComponent", "FillHoles")


@dataclass(frozen=True)
class ClassChoice:
    """
    The classes of a student.

    Args:
        groups: the teacher's channels of each class.
        names: of the classes.
        teacher: what the teacher takes and returns.
        sigmoid: whether the teacher's channels are independent.
        background: whether the student's first channel is the background.
    """

    groups: list[list[int]]
    names: list[str]
    teacher: DataFormat
    sigmoid: bool
    background: bool

    @property
    def student(self) -> DataFormat:
        """What the student takes and returns."""
        names = ["background", *self.names] if self.background else self.names
        return replace(self.teacher, out_channels=len(names), classes=dict(enumerate(names)))

    @property
    def subset(self) -> dict[str, Any]:
        """The arguments of :class:`monai_kd.networks.ClassSubset` that reduce the teacher's answer."""
        if not (self.sigmoid and self.background):
            return {"classes": self.groups, "sigmoid": self.sigmoid}
        named = {channel for group in self.groups for channel in group}
        rest = [channel for channel in range(self.teacher.out_channels) if channel not in named]
        return {"classes": [rest, *self.groups], "sigmoid": True}

    def reduce_teacher(self, train: Config) -> None:
        """Let the teacher of a training, changed in place, answer for these classes alone."""
        train["teacher_classes"] = self.subset
        loaded = str(train["teacher"]).removeprefix("$")
        train["teacher"] = f"$monai_kd.networks.ClassSubset({loaded}, **@teacher_classes)"

    def select(
        self, configs: Mapping[str, Config], parser: ConfigParser, first: list[Any], ignored: set[float]
    ) -> None:
        """
        Let every config score, and every training learn, these classes alone.

        Args:
            configs: by name, changed in place; "train" is one of them.
            parser: of the training before the change.
            first: transforms of a label that come before the choice.
            ignored: class numbers that the loss ignores.
        """
        step = {
            "_target_": "monai_kd.transforms.SelectClassesd",
            "keys": "label",
            "groups": self.groups,
            "channels": self.teacher.out_channels,
            "background": self.background,
        }
        step |= {"ignored": sorted(map(int, ignored))} if ignored else {}
        for name, config in configs.items():
            own = ConfigParser({**copy.deepcopy(parser.get()), **copy.deepcopy(config)}) if name != "train" else parser
            self._count(config, own)
            if name == "inference":
                continue
            for dataset in DATASETS:
                owner = find(config, dataset)
                if isinstance(owner, dict) and owner.get("transform") is not None:
                    config[STEPS] = [*first, step]
                    chain = {"_target_": "monai_kd.transforms.before_random", "transform": owner["transform"]}
                    owner["transform"] = chain | {"steps": f"@{STEPS}"}

    def _count(self, config: Config, parser: ConfigParser) -> None:
        """Replace the number of the teacher's classes wherever a transform or a metric is told it."""
        for node in _components(config):
            for key in COUNTS:
                if key in node:
                    node[key] = self._counted(node[key], parser)

    def _counted(self, value: Any, parser: ConfigParser) -> Any:
        if isinstance(value, list):
            return [self._counted(entry, parser) for entry in value]
        known = value
        if isinstance(value, str):
            parser["counted"] = value
            with contextlib.suppress(Exception):  # whatever an expression raises
                known = parser.get_parsed_content("counted")
        is_count = isinstance(known, int) and not isinstance(known, bool) and known == self.teacher.out_channels
        return self.student.out_channels if is_count else value


def choose_classes(text: str, teacher: DataFormat, sigmoid: bool) -> ClassChoice:
    """
    Read a list of classes such as ``"liver,kidney_left+kidney_right"``: names of the metadata, or channel numbers.

    Args:
        text: classes between commas; ``+`` joins several into one.
        teacher: what the teacher takes and returns.
        sigmoid: whether the teacher's channels are independent.

    Raises:
        ValueError: When a class does not exist, is the background, or is named twice, or the teacher has one class.

    Example:
        >>> teacher = DataFormat((8, 8), 1, 4, {0: "background", 1: "liver", 2: "kidney left", 3: "kidney right"})
        >>> choice = choose_classes("kidney left+kidney right,liver", teacher, sigmoid=False)
        >>> choice.groups, choice.student.out_channels
        ([[2, 3], [1]], 3)
    """
    background = not sigmoid or teacher.classes.get(0, "").lower() == "background"
    if teacher.out_channels - background < 2:
        raise ValueError(f"--classes {text!r}: the teacher has one class, so there is nothing to choose. Leave it out.")
    groups = [_group(entry.strip(), text, teacher, background) for entry in text.split(",")]
    named = [channel for group in groups for channel in group]
    twice = next((channel for channel in named if named.count(channel) > 1), None)
    if twice is not None:
        raise ValueError(f"--classes {text!r} names {teacher.classes.get(twice, twice)!r} twice. Name each class once.")
    names = ["+".join(teacher.classes.get(channel, str(channel)) for channel in group) for group in groups]
    return ClassChoice(groups, names, teacher, sigmoid, background)


def channel_steps(node: Any, name: str = "") -> Iterator[str]:
    """
    The transforms of a config that may name single channels, by id and class; no choice of classes changes them.

    Args:
        node: the config, or a part of it.
        name: the id of the part.

    Example:
        >>> list(channel_steps({"post": {"transforms": [{"_target_": "Invertd"}, {"_target_": "SplitDimd"}]}}))
        ['post#transforms#1 (SplitDimd)']
    """
    if isinstance(node, dict) and str(node.get("_target_")).split(".")[-1].startswith(NAMING):
        yield f"{name} ({str(node['_target_']).split('.')[-1]})"
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in items:
        yield from channel_steps(item, f"{name}#{key}".lstrip("#"))


def _group(entry: str, text: str, teacher: DataFormat, background: bool) -> list[int]:
    by_name = {name.lower(): channel for channel, name in teacher.classes.items()}
    words = [entry] if entry.lower() in by_name else [word.strip() for word in entry.split("+")]
    return [_channel(word, text, teacher, by_name, background) for word in words]


def _channel(word: str, text: str, teacher: DataFormat, by_name: Mapping[str, int], background: bool) -> int:
    channel = by_name.get(word.lower(), int(word) if word.isdecimal() else -1)
    if not 0 <= channel < teacher.out_channels:
        names = f", and the closest name is '{closest(word, teacher.classes.values())}'" if teacher.classes else ""
        raise ValueError(
            f"--classes {text!r}: the teacher has no class {word!r}. Its channels are 0 to {teacher.out_channels - 1}"
            f"{names}. Name classes as its metadata do (channel_def), or by channel, with commas between them; + joins "
            "several into one."
        )
    if background and channel == 0:
        raise ValueError(
            f"--classes {text!r} names {word!r}, the background, which takes all that is not named. Leave it out."
        )
    return channel


def _components(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for key, item in node.items():
            if key not in ("network_def", "teacher_def"):
                yield from _components(item)
    elif isinstance(node, list):
        for item in node:
            yield from _components(item)
