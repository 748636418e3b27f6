# SPDX-License-Identifier: Apache-2.0
"""Writing of TorchScript files, as ``monai.bundle ckpt_export`` does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from monai.data import save_net_with_metadata
from torch import nn

from monai_kd.utils.messages import first_line

__all__ = ["write_torchscript"]


def write_torchscript(
    module: nn.Module, image: npt.NDArray[np.generic], description: Mapping[str, str], path: Path
) -> None:
    """
    Write a module as TorchScript with metadata, for ``torch.jit.load`` and ``monai.data.load_net_with_metadata``.

    The module is traced, because not every network can be scripted; image sizes stay variable.

    Args:
        module: in evaluation mode.
        image: an example input.
        description: short texts by name, for the metadata.
        path: file to write.

    Raises:
        ValueError: When the network cannot be traced.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, torch.from_numpy(image), check_trace=False)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ValueError(
            f"The network cannot be traced: {first_line(error)}. Leave torchscript out of --forms."
        ) from error
    save_net_with_metadata(traced, str(path), include_config_vals=False, meta_values=dict(description))
