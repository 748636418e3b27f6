# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from monai_kd.engines.prepare_views import PrepareBatchViews
from monai_kd.engines.teacher_number import with_number
from monai_kd.transforms.mix_up import mix_up

__all__ = ["PrepareBatchMixUp"]


@dataclass(eq=False)
class PrepareBatchMixUp(PrepareBatchViews):
    r"""
    Views of mixed images: each image is mixed with another one of the batch, then augmented as by
    :class:`PrepareBatchViews`.

    .. math:: x'_i = \lambda_i x_i + (1 - \lambda_i) x_{B-1-i}, \quad \lambda_i \sim \mathrm{Beta}(\alpha, \alpha)

    Images are mixed before the view, so that one geometry moves the mixture, its label and the teacher's answer. Labels
    become shares of the classes, for a loss that takes them (``to_onehot_y=False``).

    **Without a label**: an image without one is mixed with any other, and the mixture has none. An image with a label
    whose partner has none stays as it is, so no label is lost and none is made up.

    **The teacher** (its view is the image as it is) either gives its answers for the images before mixing, and
    :class:`monai_kd.teachers.MixedTeacher` mixes these: cheap, for answers are kept. Or it sees the mixture
    (``mixed_teacher=True``) and is run on every batch: function matching.

    Source: Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412; function matching:
    Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022, arXiv 2106.05237.

    Args:
        student, teacher, aligned, prompt: as in :class:`PrepareBatchViews`.
        alpha: of the Beta distribution; 1 draws factors uniformly, a smaller one stays closer to the single images.
        classes: background included, for the labels' shares.
        mixed_teacher: whether the teacher sees the mixture. Defaults to False: "teacher_image" holds the image before
            mixing and, as one more channel, its factor, for :class:`monai_kd.teachers.MixedTeacher`.

    Raises:
        ValueError: When ``alpha`` is not above 0, or the teacher's view is not the image as it is; at the call, when
            the batch is no dictionary, or a label is of none of the classes.

    Example:
        >>> import torch
        >>> from monai_kd.transforms import View
        >>> views = PrepareBatchMixUp(student=View(), teacher=View(), aligned=True).set_random_state(seed=0)
        >>> batch = {"image": torch.rand(4, 1, 8, 8), "label": torch.ones(4, 1, 8, 8)}
        >>> image, label = views(batch)
        >>> label.shape, batch["teacher_image"].shape
        (torch.Size([4, 2, 8, 8]), torch.Size([4, 2, 8, 8]))
    """

    alpha: float = 1.0
    classes: int = 2
    mixed_teacher: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha}, expected a number above 0, such as 0.2; 1 draws factors uniformly.")
        view = self.teacher
        if view is not None and (view.geometry or view.intensity or not self.aligned or self.prompt):
            raise ValueError(
                "With mixup the teacher's view is the image as it is, without a prompt. Give teacher=View() and "
                "aligned=True."
            )

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Args:
            batchdata: holds "image" and, if there is one, "label", each of shape BNH[WD]; a class index has shape (B,).
                "has_label", shape (B,), tells which labels count. Its image and label become the mixed ones.
            device: where to.
            non_blocking: as in ``torch.Tensor.to``.
            kwargs: further arguments of ``torch.Tensor.to``.

        Returns:
            The student's view of the mixed image, and the classes' shares, shape (B, classes, H, W[, D]), or
            (B, classes) of class indices; None where there is no label.
        """
        image, label = self._on_device(batchdata, device, non_blocking, **kwargs)
        factor = self._draw(batchdata, len(image)).to(image)
        batchdata["image"] = mix_up(image, factor)
        if label is not None:
            batchdata["label"] = mix_up(self._shares(label, label.ndim == image.ndim).to(image), factor)
        views = super().__call__(batchdata, device, non_blocking, **kwargs)
        if self.teacher is not None and not self.mixed_teacher:
            batchdata["teacher_image"] = with_number(image, factor)
        return views

    def _draw(self, batch: dict[Any, Any], count: int) -> torch.Tensor:
        factor = torch.as_tensor(self.R.beta(self.alpha, self.alpha, count))
        has_label = torch.as_tensor(batch.get("has_label", torch.ones(count))).bool().flatten().cpu()
        return torch.where(has_label & ~has_label.flip(0), 1.0, factor)

    def _shares(self, label: torch.Tensor, is_image: bool) -> torch.Tensor:
        indices = (label[:, 0] if is_image else label).long().clamp(min=0)  # no class, -100, is not looked at
        if int(indices.max()) >= self.classes:
            raise ValueError(
                f"A label is of class {int(indices.max())}, but mixup knows the classes 0 to {self.classes - 1}. Give "
                f"PrepareBatchMixUp classes={int(indices.max()) + 1}."
            )
        return functional.one_hot(indices, self.classes).movedim(-1, 1)
