# SPDX-License-Identifier: Apache-2.0
"""mixup of each sample in a batch with its partner: sample i and sample B-1-i."""

from __future__ import annotations

import torch

__all__ = ["mix_logits", "mix_up"]


def mix_up(tensor: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    r"""
    Mix each sample with its partner.

    .. math:: x'_i = \lambda_i x_i + (1 - \lambda_i) x_{B-1-i}

    In a shuffled batch, the partner is random. The middle sample of an odd batch is its own partner.

    Source: Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412.

    Args:
        tensor: images or one-hot labels, shape (B, ...).
        factor: :math:`\lambda`, 0 to 1, shape (B,).

    Returns:
        A new tensor of the same shape.

    Example:
        >>> mix_up(torch.tensor([[0.0], [8.0]]), torch.tensor([0.75, 1.0])).tolist()
        [[2.0], [8.0]]
    """
    share = _beside(factor, tensor)
    return share * tensor + (1 - share) * tensor.flip(0)


def mix_logits(logits: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    r"""
    Mix the probabilities of each sample with those of its partner.

    .. math:: z'_i = \log\big(\lambda_i\,\mathrm{softmax}(z_i) + (1 - \lambda_i)\,\mathrm{softmax}(z_{B-1-i})\big)

    Args:
        logits: of two or more classes, shape (B, N[, H, W, D]).
        factor: :math:`\lambda`, 0 to 1, shape (B,).

    Returns:
        Logits of the same shape, which are the logarithms of the mixed probabilities.

    Raises:
        ValueError: When there is only one channel.

    Example:
        >>> mixed = mix_logits(torch.tensor([[0.0, 0.0], [-99.0, 99.0]]), torch.tensor([0.5, 1.0]))
        >>> mixed.softmax(1)
        tensor([[0.2500, 0.7500],
                [0.0000, 1.0000]])
    """
    if logits.shape[1] < 2:
        raise ValueError(
            f"mixup got logits of one channel, shape {tuple(logits.shape)}, and a softmax over one channel is always "
            "1. Use a teacher with a channel for each class, background included."
        )
    share, own = _beside(factor, logits), logits.log_softmax(dim=1)
    return torch.logaddexp(own + share.log(), own.flip(0) + (1 - share).log())


def _beside(factor: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    return factor.to(tensor).reshape(-1, *[1] * (tensor.ndim - 1))
