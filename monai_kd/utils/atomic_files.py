# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from monai_kd.utils.distinct_paths import PathOrPaths, require_distinct, require_not_installed, require_outside
from monai_kd.utils.folder_lock import hold, remove_if_empty
from monai_kd.utils.partial_names import reserved
from monai_kd.utils.processes import is_distributed, rank

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
MENDABLE = (ValueError, ImportError, FileNotFoundError)  # their message already names the cause

__all__ = ["atomic_folder", "atomic_write", "claim_outputs", "require_writable"]


def require_writable(folder: str | PathLike[str]) -> None:
    """
    Make a folder if it is missing, and check now, not hours later, that files can be written there.

    Raises:
        ValueError: When the folder cannot be made or written to.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Cannot write to the folder '{folder}': {error.strerror}. Choose one that is writable."
        ) from None


def claim_outputs(
    output_dir: str | PathLike[str],
    files: Mapping[str, str | PathLike[str]] | None = None,
    inputs: Mapping[str, PathOrPaths] | None = None,
    images: bool = False,
) -> None:
    """
    Reserve the files and folders that a run will write, before it starts.

    Each of them must be writable, must not be an input, and must not be in use by another process. The reservation ends
    with this process, even if it is killed. In distributed training, the process of rank 0 holds it.

    Args:
        output_dir: the run's folder; made if missing.
        files: further files that the run writes, by the names of their arguments.
        inputs: files and folders that the run reads, by the names of their arguments. A value may be a list, or None.
        images: whether the run writes images into ``output_dir``. Then this folder must not lie inside an input folder,
            where the next run would read them as data.

    Raises:
        ValueError: When one of the outputs cannot be written to, is an input or another output, lies in the installed
            package, or is in use by another process.

    Example:
        >>> claim_outputs("runs", {"checkpoint": "a.pt"}, {"teacher_checkpoint": "./a.pt"})
        Traceback (most recent call last):
        ValueError: checkpoint and teacher_checkpoint are both 'a.pt', which would be overwritten. Change one of them.
    """
    files, inputs = files or {}, inputs or {}
    require_not_installed({"output_dir": output_dir, **files})
    require_distinct({"output_dir": output_dir, **files}, inputs)
    if images:
        require_outside("output_dir", output_dir, inputs)
    for name, file in files.items():
        if Path(file).is_dir():
            raise ValueError(f"{name} '{file}' is a folder. Name a file.")
    for folder in dict.fromkeys([Path(output_dir), *(Path(file).absolute().parent for file in files.values())]):
        remove_if_empty(folder)
        require_writable(folder)
    if (rank() if is_distributed() else int(os.environ.get("RANK", 0))) == 0:
        for path in (output_dir, *files.values()):
            hold(Path(path))


@contextmanager
def atomic_write(path: str | PathLike[str]) -> Iterator[Path]:
    """
    Yield a temporary path to write to; when the block ends without an error, the file is renamed to ``path`` in one
    step.

    After an error, a full disk or a kill, an earlier file at ``path`` is unchanged.

    Args:
        path: the file to write; its folder is made if missing. The temporary name has the same suffixes.

    Yields:
        The temporary path.

    Raises:
        ValueError: When the folder cannot be written to, or writing fails. The temporary file is removed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_write(folder / "scores.csv") as temporary:
        ...     _ = temporary.write_text("id,dice")
        >>> [p.name for p in folder.iterdir()]
        ['scores.csv']
    """
    path = Path(path)
    require_writable(path.parent)
    try:
        with reserved(path) as temporary:
            yield temporary
            temporary.replace(path)
    except OSError as error:
        remedy = "Free some space" if error.errno in FULL else "Choose another place"
        raise ValueError(
            f"Writing '{path}' failed: {error.strerror or error}. {remedy}. An earlier file there is unchanged."
        ) from None


@contextmanager
def atomic_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """
    Yield a temporary folder to fill; when the block ends without an error, it is renamed to ``path`` in one step.

    After an error, nothing is left behind.

    Args:
        path: the folder to make; it may exist if it is empty. Missing parent folders are made.

    Yields:
        The temporary folder.

    Raises:
        ValueError: When ``path`` is a file, is not empty, or cannot be written to.

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
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with reserved(folder, folder=True) as temporary:
            try:
                yield temporary
            except Exception as error:
                full = _no_space(error, temporary)
                if full is None:
                    raise
                raise OSError(full.errno, full.strerror, full.filename) from None
            _become(temporary, folder)
    except OSError as error:
        if error.errno is None:  # not from the system: our own message, for instance about a missing source file
            raise
        raise _unwritable(path, error) from None


def _become(temporary: Path, folder: Path) -> None:
    if folder.exists():
        folder.rmdir()
    temporary.rename(folder)


def _no_space(error: Exception, folder: Path) -> OSError | None:
    """The error of a full disk behind ``error``, if there is one: libraries report a full disk in their own words."""
    chain: list[BaseException] = [error]
    while (behind := chain[-1].__cause__ or chain[-1].__context__) is not None and behind not in chain:
        chain.append(behind)
    for one in chain:
        if isinstance(one, OSError) and one.errno in FULL:
            return one
    if all(isinstance(one, MENDABLE) for one in chain):
        return None
    try:
        _try_to_grow(folder)
    except OSError as full:
        return full if full.errno in FULL else None
    return None


def _try_to_grow(folder: Path) -> None:
    """Raise OSError if the disk has no space for one more file as large as the largest; nothing is written."""
    largest = max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)
    if hasattr(os, "posix_fallocate"):
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, largest + 2**20)


def _unwritable(path: str | PathLike[str], error: OSError) -> ValueError:
    remedy = "Free some space" if error.errno in FULL else "Choose a folder that you may write to"
    named = f" ({error.filename})" if error.filename else ""
    return ValueError(f"Cannot write the folder {path}: {error.strerror or error}{named}. {remedy}.")
