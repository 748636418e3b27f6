# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import FullyConnectedNet
from torch import nn

__all__ = ["LogitsDiscriminator"]


class LogitsDiscriminator(nn.Module):
    r"""
    Predicts from a sample's logits whether they are the teacher's, and the class of the sample.

    .. math:: z \mapsto (\text{logit of } P(\mathrm{real}),\ \text{logits of } P(y))

    MONAI's ``FullyConnectedNet`` with two heads, for classification. Use :class:`PatchLogitsDiscriminator` for
    segmentation.

    Source: in the style of Xu, Hsu and Huang, "Training shallow and thin networks for acceleration via knowledge
    distillation with conditional adversarial networks", 2017, arXiv 1709.00513: a discriminator of few fully connected
    layers with an auxiliary classifier. We could not check the paper's number and widths of layers, so they are
    arguments.

    Args:
        in_channels: number of logits.
        num_classes: classes of the label, 2 or more.
        channels: widths of the hidden layers, at least one. Defaults to two of 128.
        dropout: dropout probability. Defaults to 0.

    Raises:
        ValueError: When an argument is out of range; at the call, when the logits have another shape.

    Example:
        >>> real, classes = LogitsDiscriminator(in_channels=2, num_classes=2)(torch.rand(5, 2))
        >>> real.shape, classes.shape
        (torch.Size([5, 1]), torch.Size([5, 2]))
    """

    def __init__(
        self, in_channels: int, num_classes: int, channels: Sequence[int] = (128, 128), dropout: float = 0.0
    ) -> None:
        super().__init__()
        if in_channels < 1 or num_classes < 2 or not channels or min(channels) < 1:
            raise ValueError(
                f"LogitsDiscriminator got in_channels={in_channels}, num_classes={num_classes} and "
                f"channels={tuple(channels)}. Give at least 1 logit, 2 classes and one hidden layer."
            )
        self.in_channels = in_channels
        self.layers = FullyConnectedNet(
            in_channels, 1 + num_classes, channels, dropout, act=("LEAKYRELU", {"negative_slope": 0.2})
        )

    def forward(self, logits: torch.Tensor, image: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            logits: shape (B, in_channels).
            image: ignored, of any shape; it makes the call the same as that of the other discriminators.

        Returns:
            Logit of being the teacher's, shape (B, 1), and logits of the classes, shape (B, num_classes).
        """
        if logits.ndim != 2 or logits.shape[1] != self.in_channels:
            raise ValueError(
                f"LogitsDiscriminator got logits of shape {tuple(logits.shape)}, but needs (B, {self.in_channels}). "
                "Set in_channels to the networks' number of classes. For segmentation logits, use "
                "PatchLogitsDiscriminator."
            )
        answer = self.layers(logits)
        return answer[:, :1], answer[:, 1:]
