# SPDX-License-Identifier: Apache-2.0
"""Checks that a run does not overwrite what it reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

from monai_kd.utils.messages import option

__all__ = ["PathOrPaths", "is_installed", "is_same", "require_distinct", "require_not_installed", "require_outside"]

PACKAGE = Path(__file__).resolve().parents[1]
PathOrPaths = str | PathLike[str] | Sequence[str | PathLike[str]] | None


def is_same(first: str | PathLike[str], second: str | PathLike[str]) -> bool:
    """
    Whether two paths lead to the same file or folder: relative paths, symbolic links and hard links count; neither must
    exist.

    Example:
        >>> is_same("runs/../model.pt", "model.pt"), is_same("model.pt", "teacher.pt")
        (True, False)
    """
    a, b = (Path(path).expanduser() for path in (first, second))
    if a.exists() and b.exists():
        return a.samefile(b)
    return a.resolve() == b.resolve()


def require_distinct(outputs: Mapping[str, str | PathLike[str]], inputs: Mapping[str, PathOrPaths]) -> None:
    """
    Refuse an output that is also an input, or another output.

    Args:
        outputs: files and folders to write, by the names of their arguments.
        inputs: files and folders to read, by the names of their arguments. A value may be a list, or None.

    Raises:
        ValueError: Naming both arguments and their path.
    """
    for (name, output), (other, read) in itertools.product(outputs.items(), _each(inputs)):
        if is_same(output, read):
            raise _both(name, other, output, read)
    for (name, output), (other, second) in itertools.combinations(outputs.items(), 2):
        if is_same(output, second):
            raise _both(name, other, output, second)


def is_installed(path: str | PathLike[str]) -> bool:
    """Whether a path, which need not exist, lies in this package's own folder, which an update replaces."""
    return Path(path).expanduser().resolve().is_relative_to(PACKAGE)


def require_not_installed(outputs: Mapping[str, str | PathLike[str]]) -> None:
    """Refuse to write into this package's own folder; the ValueError names the argument and its path."""
    for name, output in outputs.items():
        if is_installed(output):
            raise ValueError(
                f"{name} '{output}' lies in the installed package, which an update replaces. Choose another place with "
                f"{option(name)}, or train a copy: python -m monai_kd bundle copy NAME."
            )


def require_outside(name: str, folder: str | PathLike[str], inputs: Mapping[str, PathOrPaths]) -> None:
    """
    Refuse to write into a folder that is read, or below it: the next run would read what was written.

    The ValueError names both arguments and paths. ``name`` is the argument that gives ``folder``; ``inputs`` is as in
    :func:`require_distinct`.
    """
    for other, read in _each(inputs):
        source = Path(read).expanduser()
        if source.is_dir() and Path(folder).expanduser().resolve().is_relative_to(source.resolve()):
            raise ValueError(
                f"{name} '{folder}' lies in {other} '{read}', so the next run would read these files as data. Choose a "
                "folder beside it."
            )


def _each(inputs: Mapping[str, PathOrPaths]) -> Iterator[tuple[str, str | PathLike[str]]]:
    for name, given in inputs.items():
        for path in [given] if isinstance(given, str | PathLike) else given or ():
            yield name, path


def _both(name: str, other: str, first: str | PathLike[str], second: str | PathLike[str]) -> ValueError:
    alike = Path(first).expanduser().resolve() == Path(second).expanduser().resolve()
    where = f"both '{first}'" if alike else f"one file by two names, '{first}' and '{second}'"
    return ValueError(f"{name} and {other} are {where}, which would be overwritten. Change one of them.")
