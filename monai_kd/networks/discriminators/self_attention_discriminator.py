# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers import Conv
from monai.networks.layers.utils import get_norm_layer
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from monai_kd.networks.discriminators.conditioned import conditioned
from monai_kd.networks.discriminators.self_attention import SelfAttention
from monai_kd.networks.input_checks import check_arguments

__all__ = ["SelfAttentionDiscriminator"]


class SelfAttentionDiscriminator(nn.Module):
    r"""
    Gives one score for a whole prediction and its image (holistic distillation).

    .. math:: D(z \mid I) \in \mathbb{R}

    Strided 4-wide convolutions with spectral norm and leaky ReLU; :class:`SelfAttention` after each of the last two, so
    that each position takes the whole image into account; a convolution to one score per position; and the mean of
    these scores. The logits are normalized before the image is joined to them, because they have another scale.

    Source: Liu et al., "Structured knowledge distillation for semantic segmentation", CVPR 2019, and "... for dense
    prediction", TPAMI 2020, arXiv 1903.04197. The widths are those of the authors' code. It differs in three ways:

    - The code does not use the image (``image_channels=0``); the paper does.
    - The code's last convolution covers the 4 × 4 positions left of 65 × 65 images and gives one score. The mean here
      gives one score for images of any size.
    - The code normalizes the logits over the batch (``norm="BATCH"``). Then the score of a sample depends on the
      others, which a gradient penalty does not allow and which makes several processes differ from one. The default
      normalizes each sample by itself.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the logits.
        image_channels: channels of the image. Defaults to 1; 0 leaves the image out.
        channels: widths of the convolutions, at least two; each halves the resolution. Defaults to four, from 64 to
            512.
        norm: normalization of the logits, in MONAI's notation; None for none. Defaults to the mean and deviation over
            all classes and positions of a sample.

    Raises:
        ValueError: When an argument is out of range; at the call, when logits or image have other shapes or are too
            small for the number of convolutions.

    Example:
        >>> discriminator = SelfAttentionDiscriminator(spatial_dims=2, in_channels=2, channels=(8, 16))
        >>> discriminator(torch.rand(3, 2, 16, 16), torch.rand(3, 1, 16, 16)).shape
        torch.Size([3, 1])
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        image_channels: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512),
        norm: str | tuple | None = ("GROUP", {"num_groups": 1}),
    ) -> None:
        super().__init__()
        check_arguments(type(self).__name__, spatial_dims, in_channels, 1, channels)
        self.channels = (in_channels, image_channels)
        self.smallest = 2 ** len(channels)
        convolution = Conv[Conv.CONV, spatial_dims]
        self.norm = nn.Identity() if norm is None else get_norm_layer(norm, spatial_dims, in_channels)
        layers: list[nn.Module] = []
        widths = [in_channels + image_channels, *channels]
        for i, width in enumerate(channels):
            strided = convolution(widths[i], width, kernel_size=4, stride=2, padding=1)
            layers += [spectral_norm(strided), nn.LeakyReLU(0.1)]
            layers += [SelfAttention(spatial_dims, width)] if i >= len(channels) - 2 else []
        self.layers = nn.Sequential(*layers, convolution(channels[-1], 1, kernel_size=3, padding=1))

    def forward(self, logits: torch.Tensor, image: torch.Tensor | None = None) -> torch.Tensor:
        """
        Args:
            logits: shape (B, in_channels, H, W[, D]).
            image: shape (B, image_channels, H, W[, D]).

        Returns:
            Scores, shape (B, 1).
        """
        logits, *images = conditioned(type(self).__name__, logits, image, self.channels, self.smallest)
        scores: torch.Tensor = self.layers(torch.cat([self.norm(logits), *images], dim=1))
        return scores.flatten(2).mean(dim=2)
