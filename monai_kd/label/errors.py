# SPDX-License-Identifier: Apache-2.0
"""What went wrong, as the server can tell its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

__all__ = ["client_errors"]


@contextmanager
def client_errors(**names: str) -> Iterator[None]:
    """
    Answer with the cause instead of a bare "500 Internal Server Error".

    Args:
        names: what a client calls a file, by anything; the values replace the server's own paths in the message.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise HTTPException(status_code=404, detail=_readable(error, names)) from error
    except (ValueError, MONAILabelException) as error:
        raise HTTPException(status_code=400, detail=_readable(error, names)) from error


def _readable(error: BaseException, names: dict[str, str]) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None and isinstance(cause.__cause__, (ValueError, OSError)):
        cause = cause.__cause__
    text = str(getattr(cause, "msg", "") or cause)
    for path, name in names.items():
        text = text.replace(path, name)
    return text
