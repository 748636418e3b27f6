# SPDX-License-Identifier: Apache-2.0
"""Folders and files that one process at a time works on."""

from __future__ import annotations

import atexit
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["hold", "locked"]

_HELD: dict[Path, FileLock] = {}
_CLAIMS: set[Path] = set()  # those of hold(), until this process ends


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """
    Hold a folder for this process; the system frees it when the process ends, however it ends.

    A folder that this process has claimed by :func:`hold` stays claimed.

    Args:
        folder: must exist.
        wait: seconds to wait for another process to end.

    Raises:
        ValueError: When another process has it, naming that process, its host, and since when.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, locked(Path(folder)):
        ...     [path.name for path in Path(folder).iterdir()]
        ['.lock']
    """
    path = _lock_file(folder)
    if path in _CLAIMS:
        yield
        return
    lock = _acquired(path, folder, wait)
    _HELD[path] = lock
    try:
        yield
    finally:
        del _HELD[path]
        lock.release()


def hold(path: Path) -> None:
    """
    Hold a folder, or a file that is there or will be, until this process ends.

    Held by this process already, it stays so: a process that works in a folder may run a config that claims it. So may
    a process that it starts, whose claim keeps others of its kind out.

    Args:
        path: a folder that exists, or a file in one.

    Raises:
        ValueError: When another process has it, naming that process, its host, and since when.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     hold(Path(folder, "model.pt"))
        ...     [path.name for path in Path(folder).iterdir()]
        ['.lock-model.pt']
    """
    file = _lock_file(path)
    if file in _HELD:
        return
    try:
        _HELD[file] = _acquired(file, path)
    except ValueError:
        if f"{_named(os.getppid())} " not in _holder(file):
            raise
        file = file.with_name(f"{file.name}-of-{os.getppid()}")
        if file in _HELD:
            return
        _HELD[file] = _acquired(file, path)
    _CLAIMS.add(file)


def _lock_file(path: Path) -> Path:
    whole = path.resolve()
    return whole / ".lock" if whole.is_dir() else whole.with_name(f".lock-{whole.name}")


def _acquired(file: Path, path: Path, wait: float = 0.0) -> FileLock:
    holder = _holder(file)
    lock = FileLock(file, thread_local=False)  # another thread of this process may end it
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise ValueError(
            f"'{path}' is being worked on by another process ({_holder(file) or holder or 'unknown'}). Wait for it to "
            "end, or stop it."
        ) from None
    except OSError as error:
        raise ValueError(
            f"Cannot write '{file}': {error.strerror or error}. Choose a folder that is writable."
        ) from None
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    file.write_text(f"{_named(os.getpid())} since {started}", encoding="utf-8")
    return lock


def _named(number: int) -> str:
    return f"process {number} on {platform.node()}"


def _holder(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""


def _forget() -> None:
    """In a forked process, which holds nothing: the locks are its parent's."""
    _HELD.clear()
    _CLAIMS.clear()


@atexit.register
def _clean() -> None:
    """Leave results alone in a folder. Whoever waits for the lock sees that its file is gone, and makes a new one."""
    for file in _HELD:
        with suppress(OSError):
            file.unlink()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
