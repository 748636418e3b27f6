# SPDX-License-Identifier: Apache-2.0
"""What went wrong, as the server can tell its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from monai_kd.utils.messages import first_cause

__all__ = ["client_errors"]

MENDABLE = (ValueError, OSError, MONAILabelException)


@contextmanager
def client_errors(**names: str) -> Iterator[None]:
    """
    Answer with the cause instead of a bare "500 Internal Server Error".

    What a client can mend is a ValueError or an OSError, as everywhere in this package; MONAI wraps what goes wrong in
    a config into errors of its own. Anything else goes on as it is.

    Args:
        names: what a client calls a file, by its path here.

    Raises:
        HTTPException: In place of what a client can mend: 404 for a missing file, else 400.
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
