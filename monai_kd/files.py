# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

__all__ = ["atomic_write"]


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix="-" + path.name, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise ValueError(
            f"Cannot write to the folder '{path.parent}': {error.strerror}. Choose one that is writable."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp gives the file to its owner alone; the result gets the permissions of any other new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise ValueError(
            f"Writing '{path}' failed: {error.strerror or error}. Free some space; a former file is still there."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
