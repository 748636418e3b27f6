# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine

from monai_kd.teachers import CachedTeacher

__all__ = ["check_cached_view"]

_REMEDY = "Give the trainer prepare_batch=PrepareBatchViews(student=View(...), teacher=View(), aligned=True)"


def check_cached_view(teacher: CachedTeacher, engine: Engine, has_own_image: bool) -> None:
    """
    Refuse to look up features of images that change from epoch to epoch, or that cannot be aligned.

    Args:
        engine: the trainer, in an iteration.
        has_own_image: whether the teacher's image differs from the student's.

    Raises:
        ValueError: When the teacher sees the student's random view or has a random geometry of its own; when the
            position of the student's view in the teacher's image is not known; when the teacher has seen more different
            images than the data set holds, because a random transform changes them.
    """
    state: Any = engine.state
    batch = state.batch if isinstance(state.batch, dict) else {}
    if state.iteration == 1 or len(teacher) == 0:
        _check_geometry(batch, has_own_image)
    count = _length(getattr(state.dataloader, "dataset", None))
    if count is not None and len(teacher) > count:
        raise ValueError(
            f"The cached teacher has seen {len(teacher)} different images, but the data set holds {count}: its images "
            f"are augmented at random, so no feature can be looked up. {_REMEDY}, without random transforms in the "
            "data set; or run the teacher live: give the network itself."
        )


def _check_geometry(batch: dict[Any, Any], has_own_image: bool) -> None:
    student, own = batch.get("student_geometry"), batch.get("teacher_geometry")
    if has_own_image and student is None:
        raise ValueError(
            "The cached teacher has its own image, but the batch has no 'student_geometry': the position of the "
            f"student's view in it is not known, and an elastic deformation would not be noticed. {_REMEDY}."
        )
    if student is not None and own is None:
        raise ValueError(f"The cached teacher shares the student's random view, which always changes. {_REMEDY}.")
    if own is not None and not torch.equal(own, torch.eye(*own.shape[1:], device=own.device).expand_as(own)):
        raise ValueError(
            f"The cached teacher has a random geometry of its own, but needs the un-augmented image. {_REMEDY}."
        )


def _length(dataset: Any) -> int | None:
    return len(dataset) if hasattr(dataset, "__len__") else None
