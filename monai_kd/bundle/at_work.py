# SPDX-License-Identifier: Apache-2.0
"""The config that is running now, and what it was started with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow, create_workflow
from monai.utils import ensure_tuple

__all__ = ["Start", "parser_at_work", "start_at_work"]


@dataclass(frozen=True)
class Start:
    """
    What a run was started with.

    Args:
        files: the config and its overlays.
        arguments: values by id, MONAI's own (``meta_file``, ``run_id``, …) among them.
        folder: of the config.
    """

    files: tuple[Path, ...]
    arguments: Mapping[str, Any]
    folder: Path


def parser_at_work() -> ConfigParser | None:
    """
    The merged config whose component or expression calls this; None where none does.

    No expression of a config can name the config itself, but what builds its components is among the callers.
    """
    return next((own for frame in _callers() if isinstance(own := frame.f_locals.get("self"), ConfigParser)), None)


def start_at_work() -> Start | None:
    """
    What the run was started with that calls this: its files and arguments under ``monai.bundle.run``; its folder alone
    where a workflow was made in Python, which does not keep them; None where there is no workflow.
    """
    folder = None
    for frame in _callers():
        own = frame.f_locals.get("self")
        if isinstance(own, ConfigWorkflow):
            folder = Path(own.config_root_path)
        if frame.f_code is create_workflow.__code__ and frame.f_locals.get("config_file") is not None:
            files = tuple(Path(file) for file in ensure_tuple(frame.f_locals["config_file"]))
            return Start(files, dict(frame.f_locals["_args"]), files[0].parent)
    return None if folder is None else Start((), {}, folder)


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
