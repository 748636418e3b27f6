# SPDX-License-Identifier: Apache-2.0
"""How a run that fails ends: one line that says what, got and remedy."""

from __future__ import annotations

import logging
import os
import time
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from monai_kd.commands.console import error_console
from monai_kd.utils.messages import first_line

if TYPE_CHECKING:
    from monai.bundle import ConfigWorkflow

__all__ = ["RunErrors", "Stopped", "told"]

STOPPED = 130  # of a program that Ctrl+C ends
GRACE = 3.0  # seconds within which torchrun ends the processes beside one that has failed


class Stopped(SystemExit):
    """The end of a run that Ctrl+C stopped, when the user has been told how to go on."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


def told(error: BaseException) -> str:
    """
    An error in one line, by its first useful cause: MONAI wraps errors of components into its own.

    Args:
        error: that ended a run.

    Example:
        >>> try:
        ...     raise RuntimeError("Failed to evaluate …") from KeyError("x")
        ... except RuntimeError as error:
        ...     told(error)
        "KeyError: 'x'. Give --trace to see where."
    """
    chain = [error]
    while (cause := _behind(chain[-1])) is not None:
        chain.append(cause)
    own = next((one for one in chain if _is_own(one)), None)
    if own is not None:
        return " ".join(str(own).split())
    text = f"{type(chain[-1]).__name__}: {first_line(chain[-1]).rstrip('.')}."
    if "out of memory" in text:
        return f"{text} Lower --batch_size or --spatial_size, or give --device cpu."
    return f"{text} Give --trace to see where."


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_own(error: BaseException) -> bool:
    """Whether the package raised it, and not what it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, ValueError | OSError | ImportError) and module.split(".")[0] == "monai_kd"


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says something that the one line at the end does not."""
    text = record.getMessage()
    error = record.levelno >= logging.ERROR and (record.exc_info is not None or "terminating due to exception" in text)
    return not error and "Not all config files are in" not in text


class RunErrors:
    """
    Ends a run that fails with one line and status 1, one that is stopped with one line and status 130.

    Args:
        trace: whether to show the whole traceback, and what MONAI and ignite say of it, too.

    Raises:
        SystemExit: At the end of a run that failed or was stopped.
    """

    def __init__(self, trace: bool) -> None:
        self.trace = trace
        self._workflow: ConfigWorkflow | None = None

    def __enter__(self) -> Self:
        return self

    def prepare(self) -> None:
        """Leave out what MONAI says of any config; to be called when it is imported."""
        if not self.trace:
            warnings.filterwarnings("ignore", message="parsing config_file")
            logging.getLogger("monai.bundle.workflows").addFilter(_is_news)

    def watch(self, workflow: ConfigWorkflow) -> None:
        """
        Args:
            workflow: that runs from now on; it says how a stopped run goes on.
        """
        self._workflow = workflow
        for handler in [] if self.trace else logging.getLogger().handlers:
            handler.addFilter(_is_news)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, SystemExit) or not isinstance(error, Exception | KeyboardInterrupt):
            return
        if self.trace:
            traceback.print_exception(error)
        if int(os.environ.get("RANK", 0)) > 0:
            time.sleep(GRACE)  # the first process tells it, if it has failed too
        if isinstance(error, KeyboardInterrupt):
            error_console.print(self._stopped(), markup=False, highlight=False)
            raise Stopped() from None
        error_console.print("[bold red]Error:[/] ", end="")
        error_console.print(told(error), markup=False, highlight=False)
        raise SystemExit(1) from None

    def _stopped(self) -> str:
        last = self._last()
        if last is not None and last.is_file():
            return f"Stopped. The same command goes on after the last whole epoch ({last})."
        return "Stopped. The same command begins anew."

    def _last(self) -> Path | None:
        """The file that a training goes on from."""
        parser = None if self._workflow is None else self._workflow.parser
        try:
            if parser is None or not parser.get_parsed_content("resume"):
                return None
            return Path(parser.get_parsed_content("output_dir"), "last.pt")
        except Exception:  # a config without them, or one that was stopped half-made
            return None
