# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.layers import Conv
from torch import nn

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    r"""
    Self-attention over the positions of a feature, with a residual connection that starts as the identity.

    .. math:: x_i + \gamma \textstyle\sum_j \mathrm{softmax}_j(q_i \cdot k_j)\, v_j, \qquad \gamma = 0 \text{ at first}

    q and k have one eighth of the channels. Memory grows with the square of the number of positions, so use it at a low
    resolution. It can be differentiated twice, as a gradient penalty needs. Torch's fused attention cannot, and neither
    can ``monai.networks.blocks.SpatialAttentionBlock``, which uses it.

    Source: Zhang et al., "Self-attention generative adversarial networks", ICML 2019, arXiv 1805.08318.

    Args:
        spatial_dims: 2 or 3.
        channels: channels of the feature.

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
        """Attend over a feature of shape (B, channels, H, W[, D]), and keep the shape."""
        query, key, value = (layer(feature).flatten(2) for layer in (self.query, self.key, self.value))
        attention = (query.mT @ key).softmax(dim=-1)
        return feature + self.gamma * (value @ attention.mT).reshape(feature.shape)
