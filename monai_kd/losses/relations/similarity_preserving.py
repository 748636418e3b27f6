# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_samples
from monai_kd.losses.parts.unit_vectors import unit_vectors

__all__ = ["SimilarityPreservingLoss"]

_SMALLEST = 1e-30


def _similarities(feature: torch.Tensor) -> torch.Tensor:
    samples = feature.flatten(1)
    products = samples @ samples.mT
    lengths = products.detach().diagonal().clamp_min(_SMALLEST).sqrt()
    # The rows of the cosines times the lengths, whose directions are the same; a small feature has small products, but
    # whether a sample has a direction is for its length to say, beside the longest.
    return unit_vectors(products / (lengths.unsqueeze(1) * lengths.amax()), dim=1)


class SimilarityPreservingLoss(nn.Module):
    r"""
    Squared difference of how alike the samples of a batch are to student and teacher (SP).

    .. math:: \frac{1}{b^2} \lVert G^t - G^s \rVert_F^2, \qquad
              G_i = \frac{(A A^\top)_i}{\lVert (A A^\top)_i \rVert},\ A = \mathrm{flat}(F) \in \mathbb{R}^{b \times nhw}

    Nothing but the b × b similarities is compared: channels and resolution may differ, and no adapter is needed. A
    rotation of the flattened features and their scale change nothing. The entries of a row shrink as the batch grows,
    so for a batch repeated k times the value is 1 / k of its own: the weight belongs to a batch size.

    Source: Tung and Mori, "Similarity-preserving knowledge distillation", ICCV 2019, arXiv 1907.09682; weight 3000,
    with batches of 128 images.

    Raises:
        ValueError: At the call, when the batches differ, or hold one sample (its similarity to itself is always 1, so
            the loss would always be 0).

    Example:
        >>> import torch
        >>> alike, apart = torch.ones(2, 1, 4, 4), torch.eye(2).reshape(2, 2, 1, 1)
        >>> round(SimilarityPreservingLoss()(alike, apart).item(), 4)  # ((1 - 1/√2)² + 1/2) / 2
        0.2929
    """

    compares = "similarities between the samples of a batch"
    paper = "SP: Tung and Mori 2019"
    any_shape = True

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BN[HWD], of two samples or more.
            teacher: feature of the same samples; no gradient flows into it.
        """
        check_samples(student, teacher, "SimilarityPreservingLoss")
        return (_similarities(student) - _similarities(teacher.detach())).square().mean()
