# SPDX-License-Identifier: Apache-2.0
"""Masks of the classes on the grid of a feature, for losses that use the label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.shape_checks import check_positions
from monai_kd.losses.parts.unit_vectors import check_vectors

__all__ = ["ClassLoss", "check_label", "class_masks", "class_means", "has_class"]


class ClassLoss(nn.Module):
    """
    Base class for losses that compare features per class; a subclass writes ``forward(student, teacher, label)``.

    Args:
        num_classes: classes of the label, the background included, 2 or more. Any other value is an "ignore" label.

    Raises:
        ValueError: When ``num_classes`` is below 2.

    Example:
        >>> class Centers(ClassLoss):
        ...     def forward(self, student, teacher, label):
        ...         masks = class_masks(label, student.shape[2:], self.num_classes)
        ...         return (class_means(student, masks) - class_means(teacher, masks)).square().mean()
        >>> label = torch.tensor([[[[0, 1]]]])
        >>> Centers(num_classes=2)(torch.zeros(1, 3, 1, 2), torch.ones(1, 3, 1, 2), label=label).item()
        1.0
    """

    uses = ("label",)
    any_shape = True

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f"{type(self).__name__} got num_classes={num_classes}. Give 2 or more, the background included."
            )
        self.num_classes = num_classes

    def extra_repr(self) -> str:
        return f"num_classes={self.num_classes}"

    def check(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> None:
        """
        Refuse features of which the vectors at the positions of a class cannot be compared.

        Args:
            student: should have shape BNH[WD], of two channels and two positions at least.
            teacher: the same batch and rank; channels and spatial size may differ.
            label: class indices, should have shape B1H[WD].

        Raises:
            ValueError: When one of these is otherwise.
        """
        name = type(self).__name__
        check_vectors(student, teacher, name)
        check_positions(student, teacher, name)
        check_label(label, student)


def check_label(label: torch.Tensor, feature: torch.Tensor) -> None:
    """Refuse a label without the shape B1H[WD] for a feature of shape BNH[WD]; the resolution may differ."""
    if label.ndim != feature.ndim or label.shape[0] != feature.shape[0] or label.shape[1] != 1:
        raise ValueError(
            f"label has shape {tuple(label.shape)} for a feature of shape {tuple(feature.shape)}. Give class indices "
            f"of shape ({feature.shape[0]}, 1, ...), with as many spatial axes; label.argmax(dim=1, keepdim=True) "
            "makes them from a one-hot label."
        )


def has_class(label: torch.Tensor, num_classes: int) -> torch.Tensor:
    """
    Booleans of the label's shape, True where it is a whole number from 0 to ``num_classes`` - 1.

    Any other value (255 and -1 are common) is an "ignore" label: every loss that takes a label leaves these positions
    out.

    Example:
        >>> has_class(torch.tensor([0.0, 1.0, 0.5, 2.0, 255.0, -1.0, float("nan")]), num_classes=2)
        tensor([ True,  True, False, False, False, False, False])
    """
    whole = (label >= 0) & (label < num_classes)
    return whole & (label == label.round()) if label.is_floating_point() else whole


def class_masks(label: torch.Tensor, size: Sequence[int], num_classes: int) -> torch.Tensor:
    """
    One mask for each class, after the label is resized to another grid (nearest neighbor).

    Args:
        label: class indices of any type, shape B1H[WD]. An "ignore" label is in no mask.
        size: spatial size of the masks.
        num_classes: the background included.

    Returns:
        Booleans of shape (B, num_classes, positions), the positions in the order of ``flatten``.

    Example:
        >>> class_masks(torch.tensor([[[[0, 1, 1, 255]]]]), size=[1, 4], num_classes=2)
        tensor([[[ True, False, False, False],
                 [False,  True,  True, False]]])
    """
    resized = F.interpolate(label.float(), size=list(size), mode="nearest")
    return resized.flatten(2) == torch.arange(num_classes, device=label.device).reshape(1, -1, 1)


def class_means(feature: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """
    The mean feature vector of each class in each sample, shape (B, num_classes, N); zero where the class is absent.

    Args:
        feature: shape BNH[WD].
        masks: from :func:`class_masks`, on the feature's grid.

    Example:
        >>> masks = class_masks(torch.tensor([[[[0, 1, 1]]]]), size=[1, 3], num_classes=2)
        >>> class_means(torch.tensor([[[[5.0, 1.0, 3.0]]]]), masks)
        tensor([[[5.],
                 [2.]]])
    """
    weights = masks.to(feature.dtype)
    return torch.einsum("bkp,bnp->bkn", weights, feature.flatten(2)) / weights.sum(2, keepdim=True).clamp_min(1)
