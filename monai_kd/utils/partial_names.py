# SPDX-License-Identifier: Apache-2.0
"""Temporary names for unfinished files, one for each running process, and the removal of what killed processes left."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["reserved"]


@contextmanager
def reserved(path: Path, folder: bool = False) -> Iterator[Path]:
    """
    Make an empty file or folder beside ``path`` that no other process is given while this one runs.

    The owner is the process that holds the file's lock. The system releases the lock when the process ends, so
    leftovers of killed processes are recognized and removed here. (Process ids would not do: containers reuse them.) If
    the block fails, the reserved file is removed; otherwise the block has renamed it.

    The folder of ``path`` must exist. The name is ``.partial-NAME``, or ``.partial-2-NAME`` and so on while other
    processes write the same file.
    """
    if folder:
        _remove_former(path)
    number, place, descriptor = _reserve(path, folder)
    try:
        yield place
        _remove_behind(path, number)
    except BaseException:
        _remove(place)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _places(path: Path, first: int = 1) -> Iterator[tuple[int, Path]]:
    for number in itertools.count(first):
        yield number, path.with_name(f".partial-{path.name}" if number == 1 else f".partial-{number}-{path.name}")


def _reserve(path: Path, folder: bool) -> tuple[int, Path, int | None]:
    for number, place in _places(path):
        while _is_free(place):
            try:
                descriptor = _make(place, folder)
            except FileExistsError:  # another process was faster
                continue
            if _lock(descriptor, otherwise=True) and _is_at(descriptor, place):
                return number, place, descriptor
            os.close(descriptor)  # another process removed it as a leftover before it was locked
    raise AssertionError("there are more numbers than processes")


def _make(place: Path, folder: bool) -> int:
    if not folder:
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    place.mkdir()
    return os.open(place, os.O_RDONLY)


def _is_free(place: Path) -> bool:
    """Whether nothing is at ``place``; a leftover of a killed process is removed first."""
    if place.is_symlink():  # in a folder from elsewhere: writing would follow the link
        place.unlink()
        return True
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:  # it belongs to another user
        return False
    try:
        left = _lock(descriptor, otherwise=False) and _is_at(descriptor, place)
        if left:
            _remove(place)
        return left and not os.path.lexists(place)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, otherwise: bool) -> bool:
    """
    Lock for this process, until the descriptor is closed; return ``otherwise`` where the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise
    return True


def _is_at(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(place))
    except FileNotFoundError:
        return False


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def _remove_behind(path: Path, number: int) -> None:
    """Remove what a killed process left that wrote the same file at the same time."""
    for _, place in _places(path, number + 1):
        if not os.path.lexists(place) or not _is_free(place):
            return


def _remove_former(path: Path) -> None:
    """Remove what earlier versions of this package left: they put the process id into the name."""
    former = re.compile(re.escape(f".partial-{path.name}-") + r"\d+")
    for place in [place for place in path.parent.iterdir() if former.fullmatch(place.name)]:
        _is_free(place)
