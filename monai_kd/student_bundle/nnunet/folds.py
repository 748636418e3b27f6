# SPDX-License-Identifier: Apache-2.0
"""The weights of nnU-Net's folds, joined into one teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_kd.utils.messages import first_line

__all__ = ["Folds", "read_folds"]

SCALAR = np.float64(0).__reduce__()[0]  # makes a number of its bytes
# What nnU-Net's log in its checkpoints is made of, beside plain values.
NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")),
    (SCALAR, "numpy.core.multiarray.scalar"),  # its place in files of numpy 1
    (SCALAR, "numpy._core.multiarray.scalar"),
]


@dataclass(frozen=True)
class Folds:
    """
    What the checkpoints of all folds tell.

    Args:
        state: the weights, as an ``Ensemble`` names them where there are several folds.
        mirror_axes: spatial axes along which nnU-Net mirrors in training and inference.
        trainer: the name of nnU-Net's trainer.
    """

    state: dict[str, torch.Tensor]
    mirror_axes: tuple[int, ...]
    trainer: str


def read_folds(checkpoints: Mapping[str, Path], configuration: str) -> Folds:
    """
    Read the weights of several folds, without executing code from a file.

    Args:
        checkpoints: files by the fold's name.
        configuration: that they must be of.

    Raises:
        ValueError: When a file is damaged, or is not nnU-Net's, or of another configuration.
    """
    state: dict[str, torch.Tensor] = {}
    trainers, axes = set(), set()
    for place, file in enumerate(checkpoints.values()):
        content = _content(file)
        own = content["init_args"].get("configuration", configuration)
        if own != configuration:
            raise ValueError(
                f"'{file}' was trained as '{own}', and its folder says '{configuration}'. Give each folder its own "
                "checkpoints."
            )
        prefix = f"members.{place}." if len(checkpoints) > 1 else ""
        weights = content["network_weights"]
        state |= {prefix + name.removeprefix("module."): value.clone() for name, value in weights.items()}
        trainers.add(str(content["trainer_name"]))
        axes.add(tuple(content.get("inference_allowed_mirroring_axes") or ()))
    if len(trainers) > 1 or len(axes) > 1:
        raise ValueError(
            f"The folds were trained by different trainers: {', '.join(sorted(trainers))}. Put the folds of each into "
            "a folder of their own."
        )
    return Folds(state, axes.pop(), trainers.pop())


def _content(file: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(NUMBERS):
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise ValueError(
            f"'{file}' cannot be read as nnU-Net's checkpoint ({type(error).__name__}: {first_line(error)}). It is "
            "damaged, or holds more than weights and numbers: copy it again, or train that fold anew."
        ) from None
    needed = ("network_weights", "init_args", "trainer_name")
    if not isinstance(content, dict) or any(key not in content for key in needed):
        raise ValueError(
            f"'{file}' is not a checkpoint of nnU-Net v2: it lacks {', '.join(needed)}. Train that fold anew."
        )
    return content
