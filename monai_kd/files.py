# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

__all__ = ["atomic_write", "require_writable"]


def require_writable(folder: str | PathLike[str]) -> None:
    """
    Make a folder if it is missing, and find out now, not hours later, whether files can be written there.

    Args:
        folder: of files to come.

    Raises:
        ValueError: When it cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Cannot write to the folder '{folder}': {error.strerror}. Choose one that is writable."
        ) from error


@contextmanager
def atomic_write(path: str | PathLike[str]) -> Iterator[Path]:
    """
    Give a temporary path to write to; when the block ends without an error, it becomes ``path`` in one step.

    Whatever goes wrong (an error, a full disk, a kill), a former file at ``path`` survives whole.

    Args:
        path: the file to write; its folder is made if missing. The temporary name keeps its suffixes.

    Raises:
        ValueError: When the folder cannot be written to, or writing fails; nothing is left behind.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_write(folder / "scores.csv") as temporary:
        ...     _ = temporary.write_text("id,dice")
        >>> [p.name for p in folder.iterdir()]
        ['scores.csv']
    """
    path = Path(path)
    # One name for each file, so that what a kill left behind is overwritten by the next write.
    temporary = path.with_name(f".partial-{path.name}")
    require_writable(path.parent)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        remedy = "Free some space" if full else "Choose another place"
        raise ValueError(
            f"Writing '{path}' failed: {error.strerror or error}. {remedy}; a former file is still there."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
