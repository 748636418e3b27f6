# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.layers import Conv
from torch import nn

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    r"""
    Adds to each position what all positions hold, weighted by how well they answer it.

    .. math:: x_i + \gamma \textstyle\sum_j \mathrm{softmax}_j(q_i \cdot k_j)\, v_j, \qquad \gamma = 0 \text{ at first}

    q and k have an eighth of the channels. Memory grows with the square of the number of positions: name a coarse
    level. It can be differentiated twice, as a gradient penalty needs, which the fused attention of torch (and
    ``monai.networks.blocks.SpatialAttentionBlock`` by it) cannot.

    Source: Zhang et al., "Self-attention generative adversarial networks", ICML 2019, arXiv 1805.08318.

    Args:
        spatial_dims: 2 or 3.
        channels: of the feature.

    Example:
        >>> SelfAttention(spatial_dims=3, channels=16)(torch.rand(2, 16, 3, 4, 5)).shape
        torch.Size([2, 16, 3, 4, 5])
    """

    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        convolution = Conv[Conv.CONV, spatial_dims]
        self.query, self.key = (convolution(channels, max(1, channels // 8), kernel_size=1) for _ in range(2))
        self.value = convolution(channels, channels, kernel_size=1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """
        Args:
            feature: shape (B, channels, H, W[, D]).

        Returns:
            The same shape.
        """
        query, key, value = (layer(feature).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(dim=-1)
        return feature + self.gamma * (value @ attention.mT).reshape(feature.shape)
