# SPDX-License-Identifier: Apache-2.0
"""The teacher's network as a bundle's config defines it: nnU-Net's own class with the arguments of the plans."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_kd.student_bundle.teacher.teacher_weights import differences_of

__all__ = ["network_definition", "require_package", "require_weights"]


def require_package(network_class: str, file: Path) -> None:
    """
    Find out whether the package of a network is installed.

    Args:
        network_class: with its module, as the plans name it.
        file: the plans, for the message.

    Raises:
        ImportError: When it is not.
    """
    package = network_class.split(".")[0]
    if find_spec(package) is None:
        raise ImportError(
            f"'{file}' names the network {network_class}, and the package {package} is not installed. Install nnU-Net: "
            "pip install 'monai_kd[nnunet]'."
        )


def network_definition(
    configuration: Mapping[str, Any], in_channels: int, out_channels: int, folds: int
) -> dict[str, Any]:
    """
    A component for a bundle's config; its config must import ``pydoc``.

    Args:
        configuration: of the plans.
        in_channels: of the image.
        out_channels: how many classes.
        folds: of several, the mean of the logits is the answer, as nnU-Net's own.

    Example:
        >>> plans = {"network_class_name": "nets.UNet", "arch_kwargs": {"op": "torch.nn.Conv2d"}}
        >>> plans["_kw_requires_import"] = ["op"]
        >>> network_definition({"architecture": plans}, 1, 2, folds=1)["op"]
        "$pydoc.locate('torch.nn.Conv2d')"
    """
    architecture = configuration["architecture"]
    arguments = dict(architecture["arch_kwargs"])
    for name in architecture.get("_kw_requires_import", ()):
        if arguments.get(name) is not None:
            arguments[name] = f"$pydoc.locate({arguments[name]!r})"
    network = {
        "_target_": architecture["network_class_name"],
        "input_channels": in_channels,
        "num_classes": out_channels,
        **arguments,
        "deep_supervision": False,
    }
    if folds == 1:
        return network
    return {"_target_": "monai_kd.networks.Ensemble", "members": [network] * folds}


def require_weights(definition: Mapping[str, Any], state: Mapping[str, torch.Tensor], root: Path) -> None:
    """
    Find out whether the folds' weights are those of the network that the plans define.

    Args:
        definition: what :func:`network_definition` made of the plans.
        state: the weights of all folds.
        root: the result of nnU-Net, for the message.

    Raises:
        ValueError: When they are not.
    """
    parser = ConfigParser({"imports": ["$import pydoc"], "network": dict(definition)})
    if differences := differences_of(parser.get_parsed_content("network"), state):
        raise ValueError(
            f"The folds of '{root}' hold the weights of another network than its plans.json and dataset.json define: "
            f"{differences}. Copy both files again from the training. If its trainer builds a network of its own, "
            "write a MONAI bundle with that network, and distil from the bundle."
        )
