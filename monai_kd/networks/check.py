# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["check_network"]


def check_network(network: nn.Module, spatial_size: Sequence[int], in_channels: int = 1, out_channels: int = 2) -> None:
    """
    Run a network once on zeros, to find out before training whether it takes the images and gives one logit map for
    each class.

    Args:
        network: on any device; left in the mode it was in.
        spatial_size: of the images to come.
        in_channels: channels of the images.
        out_channels: number of classes, background included.

    Raises:
        ValueError: When the network cannot take such an image, or gives something else than logits of its size.

    Example:
        >>> check_network(nn.Conv2d(1, 2, 3, padding=1), (8, 8))
    """
    name, training = type(network).__name__, network.training
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    image = torch.zeros(1, in_channels, *spatial_size, device=device)
    try:
        with torch.no_grad():
            output = network.eval()(image)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{name} cannot take an image of shape {tuple(image.shape)}: {str(error).splitlines()[0]} "
            "Choose a spatial_size that its strides divide (a multiple of 32 for the default teacher)."
        ) from error
    finally:
        network.train(training)
    expected = (1, out_channels, *spatial_size)
    got = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
    if got != expected:
        raise ValueError(
            f"{name} gives {got} for an image of shape {tuple(image.shape)}, but logits of shape {expected} are "
            f"needed: one channel for each of {out_channels} classes. Set its out_channels to {out_channels}."
        )
