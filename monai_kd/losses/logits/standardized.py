# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.logits.softened import SoftenedLoss
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["StandardizedKLLoss"]


class StandardizedKLLoss(SoftenedLoss):
    r"""
    Kullback-Leibler divergence of logits that are standardized first, so that the student copies their relations and
    not their size.

    .. math:: T^2 \,\big\langle \textstyle\sum_c p^t_c \log (p^t_c / p^s_c) \big\rangle, \qquad
              p = \sigma(\hat z / T),\ \hat z = (z - \bar z) / \mathrm{std}(z)

    Mean and standard deviation are taken over the classes at each position, as published for classifiers. With two
    classes every standardized logit is then ±0.71, whatever the network says; ``over="image"`` takes the standard
    deviation of the whole image instead, and works with two classes.

    Source: Sun et al., "Logit standardization in knowledge distillation", CVPR 2024, arXiv 2403.01427. The authors
    weigh it by 9 at T = 2 beside a cross-entropy of weight 1, and add 1e-7 to the standard deviation; here logits that
    are all equal become zero. ``over="image"`` is this project's.

    Args:
        temperature: divisor of the standardized logits, above 0. Defaults to 2.0, the paper's.
        over: "classes", or "image": all classes and positions of an image, whose mean over the classes is still taken
            at each position. Defaults to "classes".

    Raises:
        ValueError: When an argument is out of range; at the call, when the shapes differ, or there are too few classes:
            three over classes, two over the image.

    Example:
        >>> teacher = torch.tensor([[4.0, 1.0, 1.0]])
        >>> StandardizedKLLoss()(teacher / 10, teacher).abs().item() < 1e-6  # the size alone differs
        True
    """

    compares = "standardized class probabilities, by KL divergence"
    paper = "Sun 2024"
    sigmoid = False  # a softmax over the channels

    def __init__(self, temperature: float = 2.0, over: str = "classes") -> None:
        super().__init__(temperature)
        if over not in ("classes", "image"):
            raise ValueError(f"over={over!r}, expected 'classes' or 'image'.")
        self.over = over

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, over={self.over!r}"

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits divided by the temperature, shape BNH[WD].
            teacher: the same, without gradient history.
        """
        fewest = 3 if self.over == "classes" else 2
        if student.shape[1] < fewest:
            remedy = (
                "Use StandardizedKLLoss(over='image')." if student.shape[1] == 2 else "Give a head of two channels."
            )
            raise ValueError(
                f"StandardizedKLLoss(over={self.over!r}) got logits of {student.shape[1]} channels, shape "
                f"{tuple(student.shape)}: standardized, they are always the same. {remedy}"
            )
        return softmax_divergence(self._standardized(student), self._standardized(teacher), dim=1)

    def _standardized(self, logits: torch.Tensor) -> torch.Tensor:
        centered = logits - logits.mean(1, keepdim=True)
        if self.over == "classes":
            # The length of a vector over the classes is its standard deviation times the root of n - 1.
            standardized = unit_vectors(centered, dim=1, scale=magnitude(logits)) * (logits.shape[1] - 1) ** 0.5
        else:
            whole = unit_vectors(centered.flatten(1), dim=1, scale=magnitude(logits))
            standardized = whole.reshape(logits.shape) * whole.shape[1] ** 0.5
        return standardized / self.temperature
