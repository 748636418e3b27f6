# SPDX-License-Identifier: Apache-2.0
"""A network with what happens before and after it, as one module that takes raw pixels."""

from __future__ import annotations

import copy
from typing import Any

import torch
from monai.inferers import SimpleInferer
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.bundle.opened import Bundle
from monai_kd.export.transforms.postprocessing import After, after_network
from monai_kd.export.transforms.preprocessing import Before, before_network
from monai_kd.export.transforms.steps import ResizeBack
from monai_kd.export.transforms.translate import NotInGraphError

__all__ = ["RawNetwork", "Segmenter", "fused_norms", "one_tensor", "segmenter"]


class Segmenter(nn.Module):
    """
    Raw pixels to probabilities (logits, where the bundle has no softmax or sigmoid) and, where the bundle makes one, a
    mask, both in the order of the pixels.

    Args:
        network: takes what ``before`` makes.
        before: what happens before it.
        after: what happens after it.
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
            image: shape (B, C, H, W), gray values as they are in the file; of volumes MONAI's (B, C, W, H, D).

        Returns:
            The mask, (B, H, W), uint8 (by a threshold, a mask for each of several channels, (B, C, H, W)), where there
            is one, and the probabilities or logits, (B, C, H, W), or of a classifier (B, C).
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
            # Of two classes a comparison, several times faster; the lower class wins a tie in both.
            return (x[:, 1] > x[:, 0] if x.shape[1] == 2 else x.argmax(1)).to(torch.uint8)
        mask = (x >= self.threshold).to(torch.uint8)
        return mask[:, 0] if x.shape[1] == 1 else mask


class RawNetwork(nn.Module):
    """
    A network alone, on pre-processed images.

    Args:
        network: takes pre-processed images, in MONAI's order.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.outputs = ["logits"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """
        What the network returns.

        Args:
            image: pre-processed, shape (B, C, W, H[, D]).

        Returns:
            One tensor.
        """
        return (one_tensor(self.network, self.network(image)),)


def one_tensor(network: nn.Module, answer: Any) -> Tensor:
    """
    What a network returned.

    Args:
        network: for the message.
        answer: what it returned.

    Returns:
        The answer.

    Raises:
        ValueError: When that is not one tensor.
    """
    if isinstance(answer, Tensor):
        return answer
    count = f" of {len(answer)}" if isinstance(answer, tuple | list | dict) else ""
    raise ValueError(
        f"{type(network).__name__} returns a {type(answer).__name__}{count}, and only networks that return one tensor "
        "can be exported. Switch off what it returns besides (such as deep supervision) in the config's network_def, "
        "or put the network there into one that returns that tensor alone."
    )


def segmenter(bundle: Bundle, network: nn.Module, raw: bool = False) -> Segmenter | RawNetwork:
    """
    Put a network between what its bundle does before and after it.

    Args:
        bundle: says what.
        network: the bundle's.
        raw: whether to leave all that out.

    Returns:
        A module in evaluation mode.

    Raises:
        ValueError: When something of it cannot go into a graph.
    """
    if raw:
        return RawNetwork(network).eval()
    inferer = bundle.inferer
    if not isinstance(inferer, SimpleInferer):
        raise NotInGraphError(
            f"{type(inferer).__name__} cannot go into the exported graph: it runs the network on several windows of an "
            "image. Export the network alone, on pre-processed windows, with --raw."
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
    A copy whose group norms of one channel a group are instance norms, which ONNX has as one node.

    The numbers are the same; torch's CPU kernel is the faster one for group norm, ONNX Runtime's for instance norm: a
    group norm becomes reshape, normalization with ones and zeros, reshape, product and sum.

    Args:
        module: any; it stays as it is.

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
