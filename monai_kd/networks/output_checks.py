# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_kd.utils.messages import first_line

__all__ = ["check_classifier", "check_network"]


def check_network(network: nn.Module, spatial_size: Sequence[int], in_channels: int = 1, out_channels: int = 2) -> None:
    """
    Run a network once on zeros, and check that it returns one logit map for each class.

    Args:
        network: on any device; its training mode does not change.
        spatial_size: pixels of the images along each axis.
        in_channels: channels of the images.
        out_channels: number of classes, background included.

    Raises:
        ValueError: When the network cannot take such an image, or does not return logits of the image's size.

    Example:
        >>> check_network(nn.Conv2d(1, 2, 3, padding=1), (8, 8))
    """
    shape = (1, in_channels, *spatial_size)
    got = _output_shape(
        network,
        shape,
        f"It must take {in_channels} channel(s); each side of spatial_size must suit its strides (for the default "
        "networks a multiple of 32, at least 64).",
    )
    expected = (1, out_channels, *spatial_size)
    if got != expected:
        raise ValueError(
            f"{type(network).__name__} gives {got} for an image of shape {shape}, but logits of shape {expected} are "
            f"needed: one channel for each of {out_channels} classes. Set its out_channels to {out_channels}."
        )


def check_classifier(network: nn.Module, spatial_size: Sequence[int], classes: int, in_channels: int = 1) -> None:
    """
    Run a network once on zeros, and check that it returns one logit for each class.

    Args:
        network: on any device; its training mode does not change.
        spatial_size: pixels of the images along each axis.
        classes: number of classes.
        in_channels: channels of the images.

    Raises:
        ValueError: When the network cannot take such an image, or does not return logits of shape (B, classes).

    Example:
        >>> check_classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), (8, 8), classes=2)
    """
    shape = (1, in_channels, *spatial_size)
    got = _output_shape(
        network, shape, f"It must take {in_channels} channel(s). Try a larger spatial_size, or fewer strides."
    )
    if got != (1, classes):
        raise ValueError(
            f"{type(network).__name__} gives {got} for an image of shape {shape}, but logits of shape {(1, classes)} "
            f"are needed: one for each of {classes} classes. Set its number of classes (num_classes or out_channels) "
            f"to {classes}."
        )


def _output_shape(network: nn.Module, shape: tuple[int, ...], remedy: str) -> tuple[int, ...]:
    training = network.training
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            output = network.eval()(torch.zeros(shape, device=device))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{type(network).__name__} cannot take an image of shape {shape}: {first_line(error).rstrip('.')}. {remedy}"
        ) from None
    finally:
        network.train(training)
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            f"{type(network).__name__} gives a {type(output).__name__} for an image of shape {shape}, but one tensor "
            "of logits is needed. Wrap it in a module that returns one."
        )
    return tuple(output.shape)
