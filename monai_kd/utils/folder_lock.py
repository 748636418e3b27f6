# SPDX-License-Identifier: Apache-2.0
"""Locks on folders and files, so that one process at a time works on them."""

from __future__ import annotations

import atexit
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["hold", "locked", "remove_if_empty"]

_HELD: dict[Path, FileLock] = {}
_CLAIMS: set[Path] = set()  # locks taken by hold(), kept until this process ends
_NEW: list[Path] = []  # folders that this process makes


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """
    Lock an existing folder for this process; the system releases the lock when the process ends, even if it is killed.

    A folder that this process has locked by :func:`hold` stays locked after the block.

    Args:
        wait: seconds to wait for another process to end.

    Raises:
        ValueError: When another process has the lock; the message names the process, its host and since when.
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
    Lock an existing folder, or a file in an existing folder, until this process ends.

    The call does nothing if this process has the lock already: it may run a config that locks the same folder. A child
    process may lock the folder too; its lock excludes other children.

    Raises:
        ValueError: When another process has the lock; the message names the process, its host and since when.
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


def remove_if_empty(folder: Path) -> None:
    """Called before a folder is made: if it is empty when this process ends, it is removed, with its new parents."""
    whole = folder.resolve()
    _NEW.extend(place for place in (whole, *whole.parents) if not place.exists())


def _lock_file(path: Path) -> Path:
    whole = path.resolve()
    return whole / ".lock" if whole.is_dir() else whole.with_name(f".lock-{whole.name}")


def _acquired(file: Path, path: Path, wait: float = 0.0) -> FileLock:
    holder = _holder(file)
    lock = FileLock(file, thread_local=False)  # another thread of this process may release it
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
    """Forget all locks in a forked process: they belong to its parent."""
    _HELD.clear()
    _CLAIMS.clear()
    _NEW.clear()


@atexit.register
def _clean() -> None:
    """
    Remove the lock files, so that only results stay. A process that waits for a lock sees this and makes a new file.
    """
    for file in _HELD:
        with suppress(OSError):
            file.unlink()
    for folder in sorted(_NEW, key=lambda place: len(place.parts), reverse=True):  # the inner ones first
        with suppress(OSError):  # it holds results
            folder.rmdir()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
