# SPDX-License-Identifier: Apache-2.0
"""What a user gives as teacher, as one that can be asked for layers."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from monai_kd.features import unwrap
from monai_kd.teachers.live_teacher import LiveTeacher

__all__ = ["as_teacher"]


def as_teacher(
    teacher: nn.Module | LiveTeacher, layers: tuple[str, ...], trained: Iterable[nn.Parameter]
) -> LiveTeacher:
    """
    A network as a live teacher; another teacher as it is, if it gives what is compared.

    Args:
        teacher: a network, frozen here, or a teacher.
        layers: the teacher's layers that the pathways compare.
        trained: weights that must not be frozen: of the student, the pathways and the optimizer.

    Raises:
        ValueError: When it is no network, shares one of ``trained``, or a layer does not exist or is not one that the
            teacher gives.
    """
    network = teacher.network if isinstance(teacher, LiveTeacher) else teacher
    if not isinstance(network, nn.Module):
        raise ValueError(f"teacher is a {type(network).__name__}. Give a trained network, or a LiveTeacher of one.")
    own = {id(parameter) for parameter in trained}
    shared = [name for name, p in unwrap(network).named_parameters() if id(p) in own]
    if shared:
        raise ValueError(
            f"The teacher shares {len(shared)} parameters with the student or the optimizer, such as '{shared[0]}', "
            "and freezing it would freeze them. Give the teacher a copy: copy.deepcopy(network)."
        )
    if not isinstance(teacher, LiveTeacher):
        return LiveTeacher(teacher, layers)
    missing = [layer for layer in layers if layer not in teacher.layers]
    if missing:
        raise ValueError(
            f"The pathways compare the teacher's layers {missing}, but the {type(teacher).__name__} gives "
            f"{list(teacher.layers)}. Give it layers=pathways.teacher_layers."
        )
    return teacher
