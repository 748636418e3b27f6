# SPDX-License-Identifier: Apache-2.0
"""A folder that one process at a time works in."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]

STEP = 0.1


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """
    Hold a folder for this process; the system frees it when the process ends, however it ends.

    Args:
        folder: must exist.
        wait: seconds to wait for another process to end.

    Raises:
        ValueError: When another process has it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, locked(Path(folder)):
        ...     [path.name for path in Path(folder).iterdir()]
        ['.lock']
    """
    path = folder / ".lock"
    with path.open("a+") as file:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    file.seek(0)
                    raise ValueError(
                        f"'{folder}' is being worked on by another process ({file.read().strip() or 'unknown'}). Wait "
                        "for it to end, or stop it."
                    ) from error
            time.sleep(STEP)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
