# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.engines import PrepareBatch
from monai.engines.utils import default_prepare_batch
from monai.transforms import Randomizable
from monai.utils import get_seed

from monai_kd.transforms import View
from monai_kd.utils.plain_tensor import plain

__all__ = ["PrepareBatchViews"]


@dataclass(eq=False)
class PrepareBatchViews(PrepareBatch, Randomizable):
    """
    A ``prepare_batch`` for MONAI's trainers that augments batches on the device, with separate views for both networks.

    The trainer gets the student's view and its label. Labels are moved with nearest-neighbor interpolation; class
    indices do not change. The batch gets these further entries: "student_geometry"; with ``teacher``, "teacher_image";
    with ``aligned``, "teacher_geometry", which :class:`monai_kd.Pathway` uses to move the teacher's features onto the
    student's grid. :class:`monai_kd.handlers.SeedHandler` seeds this object in every epoch, so that runs resume
    exactly.

    Args:
        student: augmentation of the student's image.
        teacher: augmentation of the teacher's image. Defaults to None: the teacher sees the student's image.
        aligned: whether the teacher has a geometry of its own. Defaults to False: both have the student's geometry, so
            their features match, and the teacher's view may only change gray values.
        prompt: whether the teacher also gets the label, as one more channel of "teacher_image" in its own view, for a
            :class:`monai_kd.networks.PromptedTeacher`. Defaults to False.

    Raises:
        ValueError: When the teacher's view moves the image without ``aligned``, or is missing with ``aligned`` or
            ``prompt``; at the call, when the batch is no dictionary, or has no label image for ``prompt``.

    Example:
        >>> import torch
        >>> from monai_kd.transforms import BatchRandAffine, BatchRandGaussianNoise, View
        >>> strong = View([BatchRandAffine(1.0, rotate_range=0.3)], [BatchRandGaussianNoise(0.5)])
        >>> views = PrepareBatchViews(student=strong, teacher=View(), aligned=True)
        >>> batch = {"image": torch.rand(2, 1, 16, 16), "label": torch.ones(2, 1, 16, 16)}
        >>> image, label = views(batch)
        >>> sorted(batch), torch.equal(batch["teacher_image"], batch["image"])
        (['image', 'label', 'student_geometry', 'teacher_geometry', 'teacher_image'], True)
    """

    student: View
    teacher: View | None = None
    aligned: bool = False
    prompt: bool = False

    def __post_init__(self) -> None:
        if self.aligned and self.teacher is None:
            raise ValueError("aligned=True needs the teacher's own view. Give teacher=View(...), View() for none.")
        if self.prompt and self.teacher is None:
            raise ValueError("prompt=True needs the teacher's own view. Give teacher=View(...), View() for none.")
        if not self.aligned and self.teacher is not None and self.teacher.geometry:
            raise ValueError(
                "The teacher's view moves the image, but shares the student's geometry. Set aligned=True, or give the "
                "teacher's view intensity transforms only."
            )
        self.set_random_state(seed=get_seed())

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Args:
            batchdata: holds "image" and, if there is one, "label", each of shape BNH[WD]; class indices have shape
                (B,).
            device: device of the result.
            non_blocking: as in ``torch.Tensor.to``.
            kwargs: further arguments of ``torch.Tensor.to``.

        Returns:
            The student's view of the image, and its label or None, in their shapes.
        """
        image, label = self._on_device(batchdata, device, non_blocking, **kwargs)
        seed = int(self.R.randint(np.iinfo(np.uint32).max, dtype=np.uint32))
        generator = torch.Generator().manual_seed(seed)
        on_device = generator if image.device.type == "cpu" else torch.Generator(image.device).manual_seed(seed)

        theta = self.student.draw(len(image), image.shape[2:], generator)
        batchdata["student_geometry"] = theta.to(image.device)
        moved = self.student.move(image, batchdata["student_geometry"])
        if self.teacher is not None:
            seen = moved
            if self.aligned:
                theta = self.teacher.draw(len(image), image.shape[2:], generator)
                batchdata["teacher_geometry"] = theta.to(image.device)
                seen = self.teacher.move(image, batchdata["teacher_geometry"])
            batchdata["teacher_image"] = self.teacher.disturb(seen, on_device)
            if self.prompt:
                batchdata["teacher_image"] = self._with_label(batchdata, label)
            self._tell_teacher(batchdata)
        if label is not None and label.ndim == image.ndim:
            label = self.student.move(label, batchdata["student_geometry"], mode="nearest").to(**kwargs)
        return self.student.disturb(moved, on_device).to(**kwargs), label

    def _on_device(self, batchdata: Any, *arguments: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Image and label, where there is one."""
        if not isinstance(batchdata, dict):
            raise ValueError(
                f"{type(self).__name__} got a {type(batchdata).__name__}, expected a dictionary with 'image' and "
                "'label'. Let the data set give dictionaries."
            )
        image, label = (plain(item) for item in default_prepare_batch(batchdata, *arguments, **kwargs))
        return image, label

    def _tell_teacher(self, batch: dict[Any, Any]) -> None:
        """For subclasses: add to "teacher_image" what the teacher is told beside its view."""

    def _with_label(self, batch: dict[Any, Any], label: torch.Tensor | None) -> torch.Tensor:
        image: torch.Tensor = batch["teacher_image"]
        if self.teacher is None or label is None or label.ndim != image.ndim:
            raise ValueError("prompt=True, but the batch holds no label image. Use a data set with masks or boxes.")
        view, name = (self.teacher, "teacher_geometry") if self.aligned else (self.student, "student_geometry")
        moved = view.move(label, batch[name], mode="nearest")
        return torch.cat([image, (moved > 0).to(image)], dim=1)
