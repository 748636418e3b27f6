# SPDX-License-Identifier: Apache-2.0
"""A network with its pre- and post-processing, as one module that takes raw pixels."""

from __future__ import annotations

import copy
from typing import Any

import torch
from monai.inferers import SimpleInferer
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.bundle.open_bundle import Bundle
from monai_kd.export.transforms.postprocessing import After, after_network
from monai_kd.export.transforms.preprocessing import Before, before_network
from monai_kd.export.transforms.steps import ResizeBack
from monai_kd.export.transforms.translate import NotInGraphError

__all__ = ["RawNetwork", "Segmenter", "fused_norms", "in_half_precision", "one_tensor", "segmenter"]


class Segmenter(nn.Module):
    """
    Maps raw pixels to probabilities and, if the bundle makes one, a mask, both in the order of the pixels.

    Without a softmax or sigmoid in the bundle it returns logits in place of probabilities.
    """

    def __init__(self, network: nn.Module, before: Before, after: After) -> None:
        super().__init__()
        self.network = network
        self.before, self.after = nn.ModuleList(before.steps), nn.ModuleList(after.steps)
        self.transposed, self.argmax, self.threshold = before.transposed, after.argmax, after.threshold
        activated = any(not isinstance(step, ResizeBack) for step in after.steps)
        self.outputs = [*(["mask"] if after.has_mask else []), "probabilities" if activated else "logits"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            image: shape (B, C, H, W), gray values as in the file; for volumes MONAI's (B, C, W, H, D).

        Returns:
            The mask, if there is one, as uint8 of shape (B, H, W), or (B, C, H, W) for a threshold on several channels.
            Then the probabilities or logits, (B, C, H, W), or (B, C) from a classifier.
        """
        size = image.shape[2:]
        x = image.float()
        for step in self.before:
            x = step(x)
        x = one_tensor(self.network, self.network(x.transpose(2, 3).contiguous() if self.transposed else x))
        x = x.transpose(2, 3) if self.transposed and x.ndim == 4 else x
        for step in self.after:
            x = step(x, size) if isinstance(step, ResizeBack) else step(x)
        return (self._mask(x), x) if self.outputs[0] == "mask" else (x,)

    def _mask(self, x: Tensor) -> Tensor:
        if self.threshold is None:
            # For two classes a comparison is several times faster; in both the lower class wins a tie.
            return (x[:, 1] > x[:, 0] if x.shape[1] == 2 else x.argmax(1)).to(torch.uint8)
        mask = (x >= self.threshold).to(torch.uint8)
        return mask[:, 0] if x.shape[1] == 1 else mask


class RawNetwork(nn.Module):
    """A network without its pre- and post-processing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.outputs = ["logits"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The network's output for a pre-processed image (B, C, W, H[, D]), in a tuple of one."""
        return (one_tensor(self.network, self.network(image)),)


def one_tensor(network: nn.Module, answer: Any) -> Tensor:
    """Return ``answer``, or raise a ValueError if the network did not return one tensor."""
    if isinstance(answer, Tensor):
        return answer
    count = f" of {len(answer)}" if isinstance(answer, tuple | list | dict) else ""
    raise ValueError(
        f"{type(network).__name__} returns a {type(answer).__name__}{count}, but only networks that return one tensor "
        "can be exported. In the config's network_def, switch off other outputs (such as deep supervision), or wrap "
        "the network in one that returns only that tensor."
    )


def segmenter(bundle: Bundle, network: nn.Module, raw: bool = False) -> Segmenter | RawNetwork:
    """
    Join a network with its bundle's pre- and post-processing, in evaluation mode; ``raw`` leaves these out.

    Raises:
        ValueError: When a transform or the inferer cannot be part of a graph.
    """
    if raw:
        return RawNetwork(network).eval()
    inferer = bundle.inferer
    if not isinstance(inferer, SimpleInferer):
        raise NotInGraphError(
            f"{type(inferer).__name__} cannot go into the exported graph: it runs the network on several windows of an "
            "image. Export only the network, for pre-processed windows, with --raw."
        )
    before = before_network(bundle.preprocessing(), len(bundle.input_shape) - 2)
    return Segmenter(network, before, after_network(bundle.postprocessing(), before)).eval()


class _InstanceNorm(nn.Module):
    """Instance normalization with a learned scale and shift, in 2D and 3D."""

    def __init__(self, of: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = of.weight, of.bias, of.eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def fused_norms(module: nn.Module) -> nn.Module:
    """
    A copy with instance norms in place of group norms with one channel per group; the results are the same.

    Torch is faster with group norm on CPU, but ONNX Runtime with instance norm. ONNX has one node for instance norm,
    and five for group norm: reshape, normalization, reshape, product and sum.

    Example:
        >>> image = torch.rand(1, 4, 8, 8)
        >>> network = nn.Sequential(nn.GroupNorm(4, 4))
        >>> torch.allclose(network(image), fused_norms(network)(image), atol=1e-6)
        True
    """
    module = copy.deepcopy(module)
    for name, child in list(module.named_modules()):
        if name and isinstance(child, nn.GroupNorm) and child.num_groups == child.num_channels and child.affine:
            setattr(module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], _InstanceNorm(child))
    return module


class _Half(nn.Module):
    """A network in FP16 whose input and output are in FP32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, image: Tensor) -> Tensor:
        return one_tensor(self.network, self.network(image.half())).float()


def in_half_precision(module: Segmenter | RawNetwork) -> Segmenter | RawNetwork:
    """A copy whose network computes in FP16; pixels are scaled, and probabilities made, in FP32."""
    module = copy.deepcopy(module)
    module.network = _Half(module.network)
    return module
