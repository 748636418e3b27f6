# SPDX-License-Identifier: Apache-2.0
"""The consoles that every command prints to."""

from __future__ import annotations

import logging

from rich.console import Console

__all__ = ["console", "error_console", "show_log"]

# Messages are not wrapped: they hold paths that people copy.
console = Console(soft_wrap=True)
error_console = Console(stderr=True, soft_wrap=True)


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), markup=False, highlight=False)


def show_log(name: str) -> None:
    """Print what a module of this package logs, also where nothing is wrong."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _Shown) for handler in logger.handlers):
        logger.addHandler(_Shown())
