# SPDX-License-Identifier: Apache-2.0
"""Pairs of layers: which layer of the student learns from which layer of the teacher."""

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
    """A layer of the student, and the layer of the teacher that it learns from."""

    student: Layer
    teacher: Layer

    def adapter(self) -> dict[str, Any]:
        """The component that gives the student's feature the shape of the teacher's."""
        if self.student.size == self.teacher.size and self.student.channels == self.teacher.channels:
            return {"_target_": "torch.nn.Identity"}
        # A regressor resizes to the teacher's size; a channel adapter keeps the student's size.
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
    classes: tuple[int, int],
) -> list[Pair]:
    """
    For each resolution that both networks have, pair the last encoder blocks, and pair the last decoder blocks.

    ``classes`` are the numbers of the student's and the teacher's.

    Returns:
        Pairs in the order of the student's layers; empty if the networks have no resolution in common.
    """
    learner = comparable_layers(student, student_layers, classes[0])
    guide = comparable_layers(teacher, teacher_layers, classes[1])
    return [Pair(layer, guide[key]) for key, layer in learner.items() if key in guide]


def pairs_text(pairs: Sequence[Pair]) -> str:
    """
    Pairs as JSON for the user to edit: a list of layer names, one pair a line.

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
    The layer names of pairs that a user wrote in the form of :func:`pairs_text`, the student's first.

    Raises:
        ValueError: When it is not such a list; the message names ``source``.

    Example:
        >>> read_names('[{"student": "encoder", "teacher": "model.1"}]', "pairs.json")
        [('encoder', 'model.1')]
    """
    try:
        return [(str(entry["student"]), str(entry["teacher"])) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f'{source} must be a JSON list of {{"student": layer, "teacher": layer}} '
            f"({type(error).__name__}: {error}). Write one pair a line, separated by commas."
        ) from error


def read_pairs(
    text: str, source: str, student_layers: dict[str, Layer], teacher_layers: dict[str, Layer]
) -> list[Pair]:
    """
    Pairs that a user wrote in the form of :func:`pairs_text`.

    Raises:
        ValueError: When it is not such a list, or names a layer that does not exist; the message names ``source``.

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
    """The pathway that compares all pairs, at least one, and averages their losses."""
    return {
        "_target_": "monai_kd.Pathway",
        "loss": {"_target_": "torch.nn.MSELoss"},
        "student_layer": [pair.student.name for pair in pairs],
        "teacher_layer": [pair.teacher.name for pair in pairs],
        "student_adapter": [pair.adapter() for pair in pairs],
        "weight": weight,
    }
