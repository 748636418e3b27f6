# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from monai_kd.engines.number_channel import with_number_channel
from monai_kd.engines.prepare_views import PrepareBatchViews
from monai_kd.transforms.mix_up import mix_up

__all__ = ["PrepareBatchMixUp"]


@dataclass(eq=False)
class PrepareBatchMixUp(PrepareBatchViews):
    r"""
    Mixup: each image is mixed with another one of the batch, then augmented as by :class:`PrepareBatchViews`.

    .. math:: x'_i = \lambda_i x_i + (1 - \lambda_i) x_{B-1-i}, \quad \lambda_i \sim \mathrm{Beta}(\alpha, \alpha)

    Images are mixed before augmentation, so that one geometry moves the mixture, its label and the teacher's
    prediction. Labels become shares of the classes, so use a loss with ``to_onehot_y=False``.

    **Images without a label** are mixed with any other, and the mixture has no label. But an image with a label is not
    mixed with one that has none, so no label is lost.

    **The teacher** sees un-augmented images. By default it predicts the images before mixing, and
    :class:`monai_kd.teachers.MixedTeacher` mixes the cached predictions, at almost no cost. With ``mixed_teacher=True``
    it sees the mixture and runs on every batch (function matching).

    Source: Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412; function matching:
    Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022, arXiv 2106.05237.

    Args:
        student, teacher, aligned, prompt: as in :class:`PrepareBatchViews`.
        alpha: of the Beta distribution, above 0; 1 draws factors uniformly, smaller values mix less.
        classes: number of classes in the labels, the background included.
        mixed_teacher: whether the teacher sees the mixture. Defaults to False: "teacher_image" holds the image before
            mixing and, as one more channel, its factor, for :class:`monai_kd.teachers.MixedTeacher`.

    Raises:
        ValueError: When ``alpha`` is not above 0, or the teacher's view changes the image; at the call, when the batch
            is no dictionary, or a class index is too large.

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
                "With mixup the teacher's view must be the un-augmented image, without a prompt. Give teacher=View() "
                "and aligned=True."
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
            batchdata: holds "image" and, if there is one, "label", each of shape BNH[WD]; class indices have shape
                (B,). Where "has_label", shape (B,), is 0, the label is not used. Image and label are replaced by mixed
                ones.
            device, non_blocking, kwargs: as in :class:`PrepareBatchViews`.

        Returns:
            The student's view of the mixed image, and the classes' shares, shape (B, classes, H, W[, D]), or
            (B, classes) for class indices; None where there is no label.
        """
        image, label = self._on_device(batchdata, device, non_blocking, **kwargs)
        factor = self._draw(batchdata, len(image)).to(image)
        batchdata["image"] = mix_up(image, factor)
        if label is not None:
            batchdata["label"] = mix_up(self._shares(label, label.ndim == image.ndim).to(image), factor)
        views = super().__call__(batchdata, device, non_blocking, **kwargs)
        if self.teacher is not None and not self.mixed_teacher:
            batchdata["teacher_image"] = with_number_channel(image, factor)
        return views

    def _draw(self, batch: dict[Any, Any], count: int) -> torch.Tensor:
        factor = torch.as_tensor(self.R.beta(self.alpha, self.alpha, count))
        has_label = torch.as_tensor(batch.get("has_label", torch.ones(count))).bool().flatten().cpu()
        return torch.where(has_label & ~has_label.flip(0), 1.0, factor)

    def _shares(self, label: torch.Tensor, is_image: bool) -> torch.Tensor:
        indices = (label[:, 0] if is_image else label).long().clamp(min=0)  # -100, no class, is not used
        if int(indices.max()) >= self.classes:
            raise ValueError(
                f"A label is of class {int(indices.max())}, but mixup knows the classes 0 to {self.classes - 1}. Set "
                f"PrepareBatchMixUp(classes={int(indices.max()) + 1})."
            )
        return functional.one_hot(indices, self.classes).movedim(-1, 1)
