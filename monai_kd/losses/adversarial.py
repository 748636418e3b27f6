# SPDX-License-Identifier: Apache-2.0
"""
The objectives of adversarial training, as functions of the discriminator's answers.

MONAI's ``PatchAdversarialLoss`` does not replace them. Its hinge loss applies a tanh first, unlike the published one,
and it has no Wasserstein distance. Its binary cross-entropy gives the value of :func:`realness_loss`, but takes the
logarithm of a sigmoid: autocast forbids that, and in float32 the gradient is zero for logits of 17 or more.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from monai_kd.losses.parts.class_masks import check_label, class_masks
from monai_kd.losses.parts.precision import full_precision

__all__ = ["class_loss", "gradient_penalty", "hinge_loss", "realness_loss", "wasserstein_loss"]


@full_precision
def realness_loss(answer: torch.Tensor, real: bool) -> torch.Tensor:
    r"""
    Binary cross-entropy, :math:`-\langle \log P(\mathrm{real}) \rangle` or
    :math:`-\langle \log P(\mathrm{fake}) \rangle`.

    Source: Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, arXiv 1406.2661.

    Args:
        answer: logits of being real, of any shape.
        real: the target: True for "real", False for "fake".

    Example:
        >>> round(realness_loss(torch.zeros(2, 1), real=True).item(), 4)
        0.6931
    """
    return F.binary_cross_entropy_with_logits(answer, torch.full_like(answer, float(real)))


@full_precision
def class_loss(answer: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    r"""
    Cross-entropy of a discriminator's classes, for whole samples or for patches,
    :math:`-\langle \textstyle\sum_k y_k \log P(k) \rangle`.

    :math:`y_k` is 1 for the class of a sample, or the share of class k in the area of a patch. Positions without a
    class (an "ignore" label) are left out.

    Source: Odena, Olah and Shlens, "Conditional image synthesis with auxiliary classifier GANs", ICML 2017, arXiv
    1610.09585, for one class per sample; shares of patches are our addition.

    Args:
        answer: logits of K classes, shape (B, K), or (B, K, h, w[, d]) for patches on a grid.
        label: class indices, shape (B,) or (B, 1) for samples; B1H[WD] for patches, at any resolution.

    Raises:
        ValueError: When the label does not have the batch size and rank of the answer.

    Example:
        >>> half = torch.tensor([[[[0, 1]]]])  # a patch of two positions, one of each class
        >>> round(class_loss(torch.zeros(1, 2, 1, 1), half).item(), 4)
        0.6931
    """
    if answer.ndim == 2:
        answer = answer[..., None]
        label = label.reshape(*label.shape[:1], -1, 1)
    check_label(label, answer)
    masks = class_masks(label, label.shape[2:], answer.shape[1]).to(answer.dtype)
    shares = F.interpolate(masks.reshape(*answer.shape[:2], *label.shape[2:]), size=answer.shape[2:], mode="area")
    return -(shares * answer.log_softmax(dim=1)).sum() / shares.sum().clamp_min(1e-6)


@full_precision
def wasserstein_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    r"""
    The critic's loss that estimates the Wasserstein distance,
    :math:`\langle D(\mathrm{fake}) \rangle - \langle D(\mathrm{real}) \rangle`.

    Source: Arjovsky, Chintala and Bottou, "Wasserstein GAN", ICML 2017, arXiv 1701.07875.

    Args:
        real: the critic's scores of real samples, of any shape.
        fake: its scores of fake samples, of any shape.

    Example:
        >>> wasserstein_loss(torch.tensor([3.0]), torch.tensor([1.0])).item()
        -2.0
    """
    return fake.mean() - real.mean()


@full_precision
def hinge_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    r"""
    The critic's hinge loss, which is 0 where real scores are above 1 and fake scores below -1,
    :math:`\langle \max(0, 1 - D(\mathrm{real})) \rangle + \langle \max(0, 1 + D(\mathrm{fake})) \rangle`.

    Source: Lim and Ye, "Geometric GAN", 2017, arXiv 1705.02894.

    Args:
        real: the critic's scores of real samples, of any shape.
        fake: its scores of fake samples, of any shape.

    Example:
        >>> hinge_loss(torch.tensor([3.0]), torch.tensor([1.0])).item()
        2.0
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@full_precision
def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    r"""
    Squared difference between the norm of the critic's gradient and 1, at points between real and fake samples.

    .. math:: \big\langle (\lVert \nabla_x D(x) \rVert_2 - 1)^2 \big\rangle, \qquad
              x = \alpha \cdot \mathrm{real} + (1 - \alpha) \cdot \mathrm{fake}, \quad \alpha \sim U(0, 1)

    Each sample has its own :math:`\alpha`, from torch's global generator.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, arXiv 1704.00028, at weight 10.

    Args:
        critic: returns scores of shape (B, ...), which are averaged to one score per sample. The score of a sample must
            not depend on other samples.
        real: shape (B, ...).
        fake: the same shape.

    Example:
        >>> real, fake = torch.zeros(2, 4), torch.ones(2, 4)
        >>> gradient_penalty(lambda x: x.sum(dim=1), real, fake).item()  # the gradient is 4 ones, its norm 2
        1.0
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = (share * real.detach() + (1 - share) * fake.detach()).requires_grad_()
    scores = critic(between).reshape(len(between), -1).mean(dim=1)
    (slopes,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    return (slopes.flatten(1).norm(dim=1) - 1).square().mean()
