# SPDX-License-Identifier: Apache-2.0
"""Which layer of the student learns from which layer of the teacher."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from monai_kd.student_bundle.comparable_layers import Layer, comparable_layers, require_layer

__all__ = ["Pair", "hidden_pathway", "pairs_text", "propose_pairs", "read_names", "read_pairs"]


@dataclass(frozen=True)
class Pair:
    """
    A layer of the student and the teacher's that it is brought to.

    Args:
        student: the student's.
        teacher: the teacher's.
    """

    student: Layer
    teacher: Layer

    def adapter(self) -> dict[str, Any]:
        """The component that gives the student's feature the teacher's shape."""
        if self.student.size == self.teacher.size and self.student.channels == self.teacher.channels:
            return {"_target_": "torch.nn.Identity"}
        # A regressor is told the teacher's size at every call; a channel adapter keeps the student's.
        name = "ChannelAdapter" if self.student.size == self.teacher.size else "FeatureRegressor"
        return {
            "_target_": f"monai_kd.networks.{name}",
            "spatial_dims": len(self.student.size),
            "in_channels": self.student.channels,
            "out_channels": self.teacher.channels,
        }


def propose_pairs(
    student: nn.Module,
    student_layers: dict[str, Layer],
    teacher: nn.Module,
    teacher_layers: dict[str, Layer],
    classes: int,
) -> list[Pair]:
    """
    For each resolution that both networks have, the layer at the end of the encoder's and of the decoder's stage.

    Args:
        student: the network.
        student_layers: its layers for one image.
        teacher: the network.
        teacher_layers: its layers for the same image.
        classes: channels of both outputs.

    Returns:
        Pairs, in the order of the student's layers; none where the networks have no resolution in common.
    """
    learner = comparable_layers(student, student_layers, classes)
    guide = comparable_layers(teacher, teacher_layers, classes)
    return [Pair(layer, guide[key]) for key, layer in learner.items() if key in guide]


def pairs_text(pairs: Sequence[Pair]) -> str:
    """
    Pairs as a file to edit: a list of layer names, one pair a line.

    Args:
        pairs: to write.

    Returns:
        JSON.

    Example:
        >>> pair = Pair(Layer("encoder", 128, (7, 7)), Layer("model.1", 256, (7, 7)))
        >>> print(pairs_text([pair]), end="")
        [
            {"student": "encoder", "teacher": "model.1"}
        ]
    """
    lines = [json.dumps({"student": pair.student.name, "teacher": pair.teacher.name}) for pair in pairs]
    return "[\n    " + ",\n    ".join(lines) + "\n]\n" if lines else "[]\n"


def read_names(text: str, source: str) -> list[tuple[str, str]]:
    """
    The layer names of pairs that somebody wrote, student's first.

    Args:
        text: as :func:`pairs_text` writes it.
        source: where it came from, for messages.

    Returns:
        Student's and teacher's layer of each pair.

    Raises:
        ValueError: When it is not such a list.

    Example:
        >>> read_names('[{"student": "encoder", "teacher": "model.1"}]', "pairs.json")
        [('encoder', 'model.1')]
    """
    try:
        return [(str(entry["student"]), str(entry["teacher"])) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f'{source} is not a list of {{"student": layer, "teacher": layer}} in JSON '
            f"({type(error).__name__}: {error}). Write one pair a line, with commas between."
        ) from error


def read_pairs(
    text: str, source: str, student_layers: dict[str, Layer], teacher_layers: dict[str, Layer]
) -> list[Pair]:
    """
    Pairs that somebody wrote.

    Args:
        text: as :func:`pairs_text` writes it.
        source: where it came from, for messages.
        student_layers: the student's layers.
        teacher_layers: the teacher's layers.

    Raises:
        ValueError: When it is not such a list, or names a layer that is not there.

    Example:
        >>> ours, theirs = {"encoder": Layer("encoder", 128, (7, 7))}, {"model.1": Layer("model.1", 256, (7, 7))}
        >>> (pair,) = read_pairs('[{"student": "encoder", "teacher": "model.1"}]', "pairs.json", ours, theirs)
        >>> pair.adapter()["out_channels"]
        256
    """
    names = read_names(text, source)
    try:
        return [
            Pair(require_layer(student, student_layers, "student"), require_layer(teacher, teacher_layers, "teacher"))
            for student, teacher in names
        ]
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def hidden_pathway(pairs: Sequence[Pair], weight: float) -> dict[str, Any]:
    """
    The pathway that compares all pairs, averaged.

    Args:
        pairs: at least one.
        weight: of the pathway.
    """
    return {
        "_target_": "monai_kd.Pathway",
        "loss": {"_target_": "torch.nn.MSELoss"},
        "student_layer": [pair.student.name for pair in pairs],
        "teacher_layer": [pair.teacher.name for pair in pairs],
        "student_adapter": [pair.adapter() for pair in pairs],
        "weight": weight,
    }
