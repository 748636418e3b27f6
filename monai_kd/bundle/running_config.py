# SPDX-License-Identifier: Apache-2.0
"""Find the config that is running, and what it was started with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow, create_workflow
from monai.utils import ensure_tuple

from monai_kd.bundle.config_files import read_file

__all__ = ["Start", "parser_at_work", "start_at_work"]


@dataclass(frozen=True)
class Start:
    """
    The files and arguments of a run.

    Args:
        files: the config and its overlays.
        arguments: values by id, and MONAI's own (``meta_file``, ``run_id``, …).
        folder: of the config.
        shared: ids that come from a file of arguments (``args_file``), which several configs may share.
    """

    files: tuple[Path, ...]
    arguments: Mapping[str, Any]
    folder: Path
    shared: frozenset[str] = frozenset()

    @staticmethod
    def of(config_file: Any, arguments: Mapping[str, Any], args_file: str | None = None) -> Start:
        """From one config file or several; arguments given directly replace those of ``args_file``."""
        files = tuple(Path(file) for file in ensure_tuple(config_file))
        shared = read_file(args_file) if args_file else {}
        return Start(files, {**shared, **arguments}, files[0].parent, frozenset(shared))


def parser_at_work() -> ConfigParser | None:
    """
    The merged config whose component or expression calls this; None if none does.

    An expression cannot refer to its own config, but the parser that builds the config's components is among the
    callers."""
    return next((own for frame in _callers() if isinstance(own := frame.f_locals.get("self"), ConfigParser)), None)


def start_at_work() -> Start | None:
    """
    The files and arguments of the run that calls this; None if there is no workflow.

    ``monai.bundle.run`` has them all. A workflow that was made in Python does not keep them: then only its folder is
    known."""
    folder = None
    for frame in _callers():
        own = frame.f_locals.get("self")
        if isinstance(own, ConfigWorkflow):
            folder = Path(own.config_root_path)
        if frame.f_code is create_workflow.__code__ and frame.f_locals.get("config_file") is not None:
            names = ("config_file", "_args", "args_file")
            return Start.of(*(frame.f_locals[name] for name in names))
    return None if folder is None else Start((), {}, folder)


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
