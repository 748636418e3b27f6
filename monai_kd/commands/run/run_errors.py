# SPDX-License-Identifier: Apache-2.0
"""How a failed run ends: with one line that says what was wrong and what to do."""

from __future__ import annotations

import logging
import os
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from monai_kd.commands.console import error_console
from monai_kd.utils.messages import first_line, is_own, option

if TYPE_CHECKING:
    from monai.bundle import ConfigWorkflow

__all__ = ["RunErrors", "Stopped", "told"]

STOPPED = 130  # of a program that Ctrl+C ends
GRACE = 3.0  # seconds; torchrun ends the other processes of a failed run within this time


class Stopped(SystemExit):
    """The end of a run after Ctrl+C, once the user knows how to continue it."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


def told(error: BaseException) -> str:
    """
    Return one line for an error: its first useful cause, because MONAI wraps the errors of components.

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
    own = next((one for one in chain if is_own(one)), None)
    if own is not None:
        return " ".join(str(own).split())
    text = f"{type(chain[-1]).__name__}: {first_line(chain[-1]).rstrip('.')}."
    if "out of memory" in text:
        return f"{text} Lower --batch-size or --spatial-size, or give --device cpu."
    return f"{text} Give --trace to see where."


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says more than the one line at the end."""
    text = record.getMessage()
    error = record.levelno >= logging.ERROR and (record.exc_info is not None or "terminating due to exception" in text)
    return not error and not any(
        words in text for words in ("Not all config files are in", "Setting logging properties")
    )


class RunErrors:
    """
    Context manager that ends a failed run with one line and status 1, and a stopped run with one line and status 130.

    Args:
        trace: True also shows the whole traceback, and what MONAI and ignite log about the error.

    Raises:
        SystemExit: At the end of a run that failed or was stopped.
    """

    def __init__(self, trace: bool) -> None:
        self.trace = trace
        self._workflow: ConfigWorkflow | None = None

    def __enter__(self) -> Self:
        return self

    def prepare(self) -> None:
        """Hide what MONAI says about every config."""
        if not self.trace:
            for message in ("parsing config_file", ".*always_return_as_numpy"):  # the latter is MONAI's own call
                warnings.filterwarnings("ignore", message=message)
            logging.getLogger("monai.bundle.workflows").addFilter(_is_news)

    def watch(self, workflow: ConfigWorkflow) -> None:
        """
        Args:
            workflow: the one that runs from now on; from its ids, a stopped run tells how to continue.
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
            time.sleep(GRACE)  # the first process tells the error, if it has failed, too
        if isinstance(error, KeyboardInterrupt):
            error_console.print(self._stopped(), markup=False, highlight=False)
            raise Stopped() from None
        error_console.print("[bold red]Error:[/] ", end="")
        text = told(error)
        error_console.print(f"{self._about(text)}{text}", markup=False, highlight=False)
        raise SystemExit(1) from None

    def _about(self, text: str) -> str:
        """The id of the checkpoint that an error quotes, as an option; empty if there is none."""
        parser = None if self._workflow is None else self._workflow.parser
        if parser is None:
            return ""
        for name in [key for key in parser.get() if key.endswith("checkpoint")]:
            with suppress(Exception):  # the value may be what failed
                if f"'{parser.get_parsed_content(name)}'" in text:
                    return f"{option(name)}: "
        return ""

    def _stopped(self) -> str:
        last = self._last()
        if last is not None and last.is_file():
            return f"Stopped. Give the same command again to continue after the last complete epoch ({last})."
        return "Stopped. The same command starts again from the beginning."

    def _last(self) -> Path | None:
        """The checkpoint from which a training continues."""
        parser = None if self._workflow is None else self._workflow.parser
        try:
            if parser is None or not parser.get_parsed_content("resume"):
                return None
            return Path(parser.get_parsed_content("output_dir"), "last.pt")
        except Exception:  # a config without these ids, or one that was stopped while it was built
            return None
