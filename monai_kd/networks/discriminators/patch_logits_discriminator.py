# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn

from monai_kd.networks.discriminators.conditioned import conditioned

__all__ = ["PatchLogitsDiscriminator"]


class PatchLogitsDiscriminator(nn.Module):
    r"""
    Predicts for each patch of logits and image whether the logits are the teacher's, and the classes in the patch.

    .. math:: (z, I) \mapsto (\text{logits of } P(\mathrm{real}),\ \text{logits of } P(y)) \quad \text{for each patch}

    MONAI's ``PatchDiscriminator`` with one output for real and one for each class. It normalizes each sample by itself,
    not over the batch, so that several processes train the discriminator as one does.

    Source: Xu, Hsu and Huang, 2017, arXiv 1709.00513, extended from classification (:class:`LogitsDiscriminator`) to
    segmentation; patches by Isola et al., CVPR 2017, arXiv 1611.07004.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the logits, which are the networks' ``out_channels``.
        num_classes: classes of the label, the background included, 2 or more.
        image_channels: channels of the image. Defaults to 1; 0 leaves the image out.
        channels: width of the first convolution, doubled by each further one. Defaults to 64.
        num_layers: convolutions after the first. Defaults to 3, for patches 70 pixels wide; 2 gives 34 pixels.

    Raises:
        ValueError: When an argument is out of range; at the call, when logits or image have other shapes or are too
            small.

    Example:
        >>> discriminator = PatchLogitsDiscriminator(spatial_dims=2, in_channels=2, num_classes=2, channels=8)
        >>> real, classes = discriminator(torch.rand(3, 2, 32, 32), torch.rand(3, 1, 32, 32))
        >>> real.shape, classes.shape
        (torch.Size([3, 1, 2, 2]), torch.Size([3, 2, 2, 2]))
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_channels: int = 1,
        channels: int = 64,
        num_layers: int = 3,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3) or in_channels < 1 or num_classes < 2 or min(channels, num_layers) < 1:
            raise ValueError(
                f"PatchLogitsDiscriminator got spatial_dims={spatial_dims}, in_channels={in_channels}, "
                f"num_classes={num_classes}, channels={channels} and num_layers={num_layers}. Give 2 or 3 dimensions, "
                "2 classes or more, and 1 or more of the others."
            )
        self.channels = (in_channels, image_channels)
        self.smallest = 3 * 2**num_layers
        self.layers = PatchDiscriminator(
            spatial_dims, channels, in_channels + image_channels, 1 + num_classes, num_layers, norm="INSTANCE"
        )

    def forward(self, logits: torch.Tensor, image: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            logits: shape (B, in_channels, H, W[, D]).
            image: shape (B, image_channels, H, W[, D]).

        Returns:
            Logits of being the teacher's, shape (B, 1, h, w[, d]), and of the classes, (B, num_classes, h, w[, d]).
        """
        joined = conditioned(type(self).__name__, logits, image, self.channels, self.smallest)
        answer = self.layers(torch.cat(joined, dim=1))[-1]
        return answer[:, :1], answer[:, 1:]
