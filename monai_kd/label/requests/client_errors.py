# SPDX-License-Identifier: Apache-2.0
"""Errors as answers to the client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from monai_kd.label.server_end import is_child
from monai_kd.utils.messages import first_cause

__all__ = ["client_errors", "errors_of_task"]

MENDABLE = (ValueError, OSError, MONAILabelException)


@contextmanager
def client_errors(**names: str) -> Iterator[None]:
    """
    Answer with the cause instead of "500 Internal Server Error", if the client can correct it.

    Such an error is a ValueError or an OSError, perhaps wrapped in an error of MONAI's config. It becomes 404 for a
    missing file, else 400. Other errors do not change.

    Args:
        names: the client's name of a file, by its path on the server.
    """
    try:
        yield
    except HTTPException:
        raise
    except Exception as error:
        cause = first_cause(error, MENDABLE)
        if not isinstance(cause, MENDABLE):
            raise
        detail = str(getattr(cause, "msg", None) or cause)
        for path, name in names.items():
            detail = detail.replace(path, name)
        raise HTTPException(404 if isinstance(cause, FileNotFoundError) else 400, detail) from error


@contextmanager
def errors_of_task() -> Iterator[None]:
    """
    As :func:`client_errors`; but a process of its own ends with the cause in its last line, for ``GET /train/``.
    """
    try:
        with client_errors():
            yield
    except HTTPException as error:
        if is_child():
            raise SystemExit(f"Error: {error.detail}") from error
        raise
