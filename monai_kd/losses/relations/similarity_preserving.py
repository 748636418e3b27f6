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
    # Dividing by the lengths does not change the direction of a row of cosines times lengths. It keeps small features
    # from vanishing: a row counts as zero only if its sample is tiny beside the longest one.
    return unit_vectors(products / (lengths.unsqueeze(1) * lengths.amax()), dim=1)


class SimilarityPreservingLoss(nn.Module):
    r"""
    Squared difference of the similarities between the samples of a batch, student against teacher (SP).

    .. math:: \frac{1}{b^2} \lVert G^t - G^s \rVert_F^2, \qquad
              G_i = \frac{(A A^\top)_i}{\lVert (A A^\top)_i \rVert},\ A = \mathrm{flat}(F) \in \mathbb{R}^{b \times nhw}

    Only the b × b similarities are compared: channels and resolution may differ, and no adapter is needed. Rotation and
    scale of the flattened features change nothing. The value falls as one over the batch size, because the entries of a
    row shrink, so choose the weight for your batch size.

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
            teacher: feature of the same samples, shape BM[HWD]; no gradient flows into it.
        """
        check_samples(student, teacher, "SimilarityPreservingLoss")
        return (_similarities(student) - _similarities(teacher.detach())).square().mean()
