# SPDX-License-Identifier: Apache-2.0
"""TorchScript, as ``monai.bundle ckpt_export`` writes it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from monai.data import save_net_with_metadata
from torch import nn

from monai_kd.export.forms.form import Form, Runner, Source, run_module
from monai_kd.utils.messages import first_line

__all__ = ["TorchScript"]


class TorchScript(Form):
    """A traced module with metadata."""

    name, title, files = "torchscript", "TorchScript", ("student.ts",)

    def write(self, source: Source, path: Path) -> None:
        """Trace the module; image sizes stay variable."""
        write_torchscript(source.module, source.image, source.description, path)

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it with the threads of this process."""
        module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        return run_module(module, outputs)


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
