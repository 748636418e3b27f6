# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["GradientAttentionLoss"]


class GradientAttentionLoss(nn.Module):
    r"""
    Distance between the gradients of the student's and the teacher's task loss with respect to the image (AT,
    gradient-based).

    .. math:: \tfrac{1}{2} \big\langle \lVert J^s_b - J^t_b \rVert_2 \big\rangle_b, \qquad
              J = \partial \mathcal{L}_\mathrm{task} / \partial x

    The norm is taken over each sample's whole gradient, is not squared, and is averaged over samples. It pulls with the
    same strength however small the difference is. If the task loss is a mean over positions, the value falls with the
    square root of their number.

    Source: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017, arXiv 1612.03928, section 3.2.
    The paper's factor :math:`\beta` is the weight here; neither its value nor code for it was published.

    Raises:
        ValueError: At the call, when the shapes differ.

    Example:
        >>> GradientAttentionLoss()(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]]))
        tensor(2.5000)
    """

    compares = "gradients of the task loss with respect to the image"
    paper = "AT by gradients: Zagoruyko 2017"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: gradient with respect to the image, with its own graph (``create_graph=True``), shape BN[HWD].
            teacher: gradient with respect to the same image, the same shape; no gradient flows into it.
        """
        check_same_shape(student, teacher)
        # torch gives the norm of zero the gradient zero, not NaN.
        return 0.5 * torch.linalg.vector_norm((student - teacher.detach()).flatten(1), dim=1).mean()
