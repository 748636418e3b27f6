# SPDX-License-Identifier: Apache-2.0
"""Read the weights of a teacher's bundle, in any of the usual forms."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.config_parts import components
from monai_kd.utils.checkpoints import CheckpointError, load_checkpoint, require_finite
from monai_kd.utils.messages import first_line

__all__ = ["differences_of", "find_weights", "fit", "read_weights"]

KEYS = ("model", "state_dict", "network", "net", "model_state_dict")


def find_weights(root: Path, given: Path | None = None, inference: Config | None = None) -> Path:
    """
    The file of a bundle's weights: the given one, else ``models/model.pt`` or ``models/model.ts``, else the file that
    its inference config loads.

    Raises:
        FileNotFoundError: When it does not exist.
    """
    usual = [root / "models" / "model.pt", root / "models" / "model.ts"]
    places = [given] if given else [*usual, *(file for file in _loaded(root, inference or {}) if file not in usual)]
    for path in places:
        if path.is_file():
            return path
    large = next(iter(sorted(root.glob("large*file*.y*ml"))), None)
    remedy = (
        f"It has a {large.name}: python -m monai.bundle download_large_files --bundle_path {root}"
        if large and not given
        else "Put them there, or name the file with --teacher-checkpoint."
    )
    raise FileNotFoundError(f"The teacher's weights are not at {' or '.join(map(str, places))}. {remedy}")


def _loaded(root: Path, config: Config) -> list[Path]:
    """The files that an inference config loads, as far as they can be told."""
    parser, found = ConfigParser({**copy.deepcopy(config), "bundle_root": str(root)}), []
    for loader in components(config, "CheckpointLoader"):
        parser["teacher_file"] = loader.get("load_path")
        with contextlib.suppress(Exception):  # whatever an expression of the teacher's raises
            found.append(Path(parser.get_parsed_content("teacher_file")))
    return found


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """
    Read a state dict from a checkpoint or a TorchScript file (``.ts``) without executing code from a checkpoint.

    A checkpoint is a state dict, or a dictionary that contains one.

    Raises:
        ValueError: When the file is none of these.
    """
    try:
        if path.suffix == ".ts":
            content: Any = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        else:
            content = load_checkpoint(path)
    except Exception as error:
        reason = error.reason if isinstance(error, CheckpointError) else f"{type(error).__name__}: {first_line(error)}"
        raise ValueError(
            f"'{path}' cannot be read as weights ({reason}). It is damaged, only a pointer to the real file, or has "
            "more than tensors. Save the weights with torch.save(network.state_dict(), …)."
        ) from None
    state = _state(content)
    if state is None:
        keys = ", ".join(map(str, list(content)[:6])) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(
            f"'{path}' holds no state dict, neither at its top nor under {', '.join(KEYS)}: it has {keys}. Save the "
            "weights as {'model': network.state_dict()}."
        )
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


def _state(content: Any) -> Mapping[str, torch.Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    for found in (content, *(content.get(key) for key in KEYS)):
        if isinstance(found, Mapping) and found and all(isinstance(value, torch.Tensor) for value in found.values()):
            return found
    return None


def fit(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """
    Load weights into the network that they must belong to; ``path`` is their file, for messages.

    Raises:
        ValueError: When they belong to another network, or are not finite.
    """
    if differences := differences_of(network, state):
        raise ValueError(
            f"'{path}' holds the weights of another network than the config's {type(network).__name__}: {differences}. "
            "Correct the teacher's network_def, or name its weights with --teacher-checkpoint."
        )
    require_finite(state, path, own=dict(network.named_buffers()))
    network.load_state_dict(dict(state))


def differences_of(network: nn.Module, state: Mapping[str, torch.Tensor]) -> str:
    """
    One difference of each kind between a network and weights, and how many more there are; empty if they fit.

    Example:
        >>> differences_of(nn.Linear(2, 1, bias=False), {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)})
        "'bias' is not in the network; 'weight' is (3, 2) in the file, (1, 2) in the network"
    """
    own = network.state_dict()
    kinds = [
        [f"'{key}' is not in the file" for key in own if key not in state],
        [f"'{key}' is not in the network" for key in state if key not in own],
        [
            f"'{key}' is {tuple(state[key].shape)} in the file, {tuple(value.shape)} in the network"
            for key, value in own.items()
            if key in state and state[key].shape != value.shape
        ],
    ]
    shown = [of_kind[0] for of_kind in kinds if of_kind]
    more = sum(map(len, kinds)) - len(shown)
    return f"{'; '.join(shown)}{f'; and {more} more' if more else ''}"
