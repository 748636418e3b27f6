# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

__all__ = ["atomic_folder", "atomic_write", "read_json", "require_writable"]


def read_json(path: str | PathLike[str], remedy: str = "Restore it.") -> Any:
    """
    The content of a JSON file.

    Args:
        path: of the file, in UTF-8.
        remedy: what to do where it is damaged, for the message.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not JSON.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "metadata.json").write_text('{"version": "0.1.0"}')
        ...     read_json(Path(folder, "metadata.json"))
        {'version': '0.1.0'}
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not JSON: {error}. {remedy}") from error


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

    Yields:
        The temporary path.

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
    if temporary.is_symlink():  # in a folder from elsewhere: writing would go through it
        temporary.unlink()
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


@contextmanager
def atomic_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """
    Give a temporary folder to fill; when the block ends without an error, it becomes ``path`` in one step.

    Whatever goes wrong in the block, nothing is left behind.

    Args:
        path: the folder to make; it may exist if it is empty. Folders above it are made if missing.

    Yields:
        The temporary folder.

    Raises:
        ValueError: When ``path`` is a file or not empty, or it cannot be written to.

    Example:
        >>> import tempfile
        >>> out = Path(tempfile.mkdtemp()) / "data"
        >>> with atomic_folder(out) as temporary:
        ...     _ = (temporary / "table.csv").write_text("id,patient")
        ...     out.exists()
        False
        >>> [p.name for p in out.iterdir()]
        ['table.csv']
    """
    folder = Path(path).resolve()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            kind = "is not empty" if folder.is_dir() else "is a file"
            raise ValueError(f"{path} {kind}. Choose a folder that does not exist yet, or remove it first.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # The process's number keeps two runs apart that write the same folder: the second to end is refused.
        temporary = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
        temporary.mkdir()
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield temporary
        _become(temporary, folder)
    except OSError as error:
        if error.errno is None:  # not the system's: a message of our own, for instance of a missing source file
            raise
        raise _unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _become(temporary: Path, folder: Path) -> None:
    if folder.exists():
        folder.rmdir()
    temporary.rename(folder)


def _unwritable(path: str | PathLike[str], error: OSError) -> ValueError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space" if full else "Choose a folder that you may write to"
    named = f" ({error.filename})" if error.filename else ""
    return ValueError(f"Cannot write the folder {path}: {error.strerror or error}{named}. {remedy}.")
