# SPDX-License-Identifier: Apache-2.0
"""The teacher's network as a bundle's config defines it: nnU-Net's own class with the arguments of the plans."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["network_definition", "require_package"]


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
