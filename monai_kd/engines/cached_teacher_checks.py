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
    Refuse to look up the features of images that are not the same in every epoch, or that cannot be aligned.

    Args:
        teacher: that is to be asked next.
        engine: the trainer, in an iteration.
        has_own_image: whether the teacher sees another image than the student.

    Raises:
        ValueError: When the teacher sees the student's random view, or has a random geometry of its own; when it is
            not known where the student's view lies in the teacher's image; when more different images were seen
            than the data set holds, so that something random is done to them.
    """
    state: Any = engine.state
    batch = state.batch if isinstance(state.batch, dict) else {}
    if state.iteration == 1 or len(teacher) == 0:
        _check_geometry(batch, has_own_image)
    count = _length(getattr(state.dataloader, "dataset", None))
    if count is not None and len(teacher) > count:
        raise ValueError(
            f"The cached teacher has seen {len(teacher)} different images, but the data set holds {count}: its images "
            f"are augmented at random, and nothing can be looked up. {_REMEDY}, without random transforms in the data "
            "set; or run the teacher live: give the network itself."
        )


def _check_geometry(batch: dict[Any, Any], has_own_image: bool) -> None:
    student, own = batch.get("student_geometry"), batch.get("teacher_geometry")
    if has_own_image and student is None:
        raise ValueError(
            "The cached teacher has an image of its own, but the batch has no 'student_geometry': it is not known "
            f"where the student's view lies in it, and an elastic deformation could not be told. {_REMEDY}."
        )
    if student is not None and own is None:
        raise ValueError(f"The cached teacher shares the student's random view, which is never the same. {_REMEDY}.")
    if own is not None and not torch.equal(own, torch.eye(*own.shape[1:], device=own.device).expand_as(own)):
        raise ValueError(
            f"The cached teacher has a random geometry of its own, but is to see the un-augmented image. {_REMEDY}."
        )


def _length(dataset: Any) -> int | None:
    return len(dataset) if hasattr(dataset, "__len__") else None
