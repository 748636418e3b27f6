# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_kd.bundle.record import load_record
from monai_kd.features import unwrap
from monai_kd.utils.checkpoints import load_checkpoint, require_finite
from monai_kd.utils.messages import first_few

__all__ = ["load_weights"]


def _difference(network: Mapping[str, torch.Tensor], checkpoint: Mapping[str, Any]) -> list[str]:
    missing = [f"'{key}' is not in the file" for key in network if key not in checkpoint]
    foreign = [f"'{key}' is not in the network" for key in checkpoint if key not in network]
    shapes = [
        f"'{key}' is {tuple(checkpoint[key].shape)} in the file, {tuple(value.shape)} in the network"
        for key, value in network.items()
        if key in checkpoint and checkpoint[key].shape != value.shape
    ]
    kinds = [
        f"'{key}' is {_kind(checkpoint[key])} in the file, {_kind(value)} in the network"
        for key, value in network.items()
        if key in checkpoint and value.is_floating_point() and _kind(checkpoint[key]) != _kind(value)
    ]
    return shapes + kinds + missing + foreign


def _kind(tensor: torch.Tensor) -> str:
    """The kind of a tensor; tensors of one kind can be copied into each other without loss of meaning."""
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return "quantized" if tensor.is_quantized else "sparse"
    return "of real numbers" if tensor.is_floating_point() else f"of {str(tensor.dtype).removeprefix('torch.')}"


def _prefix(network: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> str:
    """The prefix behind which the file has all names of the network, if there is one; else an empty string."""
    own, names = next(iter(network), ""), set(map(str, checkpoint))
    candidates = (name.removesuffix(own) for name in sorted(names) if own and name.endswith(own))
    return next((prefix for prefix in candidates if prefix and {prefix + key for key in network} <= names), "")


def _recorded(path: Path) -> str:
    """A sentence about the network in the record of a training, if the file has one."""
    record = load_record(path)
    return "" if record is None else f"The record in the file says: {json.dumps(record['network_def'])}. "


def load_weights(network: nn.Module, path: str | PathLike[str], key: str = "model") -> nn.Module:
    """
    Load a checkpoint into a network and return it; all keys must match, and no code in the file is executed.

    Args:
        network: receives the weights, on its own device.
        path: a file from ``torch.save``: a state dict, or a dictionary that holds one under ``key``.
        key: name of the state dict in the dictionary. Defaults to "model", as in MONAI's ``CheckpointSaver``.

    Raises:
        FileNotFoundError: When the file does not exist.
        ValueError: When the file is no checkpoint of tensors, was changed (its digest differs), holds numbers that are
            not finite, or belongs to another network; the message names the first keys that differ.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save({"model": nn.Linear(2, 1).state_dict()}, f"{folder}/teacher.pt")
        ...     load_weights(nn.Linear(2, 1), f"{folder}/teacher.pt")
        Linear(in_features=2, out_features=1, bias=True)
    """
    path = Path(path)
    inner = unwrap(network)
    if path.is_dir():
        there = sorted(str(file) for file in path.glob("*.pt") if file.name != "last.pt")
        remedy = f"Name one of its files: {first_few(there, 3)}" if there else "Name a file, such as model.pt"
        raise FileNotFoundError(f"No checkpoint at '{path}', which is a folder. {remedy}.")
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint at '{path}'. Train the network first, or correct the path.")
    checkpoint = load_checkpoint(path)
    if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
        checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping) or not all(isinstance(v, torch.Tensor) for v in checkpoint.values()):
        entries = f": it has {sorted(map(str, checkpoint))[:5]}" if isinstance(checkpoint, Mapping) else ""
        raise ValueError(
            f"'{path}' holds no state dict, neither at its top nor under '{key}'{entries}. Name the entry that is one "
            "(key=…), or write one with torch.save(network.state_dict(), path)."
        )
    differences = _difference(inner.state_dict(), checkpoint)
    if differences:
        prefix = _prefix(inner.state_dict(), checkpoint)
        shown = first_few(differences, 3, "; ")
        raise ValueError(
            f"'{path}' holds the weights of another network than this {type(inner).__name__}: {shown}. "
            + _recorded(path)
            + (
                f"Its names are this network's behind '{prefix}': save them alone and without it."
                if prefix
                else "Build the network with the arguments of its training, or give the path of its own checkpoint."
            )
        )
    require_finite(checkpoint, path, own=dict(inner.named_buffers()))
    inner.load_state_dict(dict(checkpoint))
    return network
