# SPDX-License-Identifier: Apache-2.0
"""The files that came with one request: the only paths that a client's words may name, and gone when it is answered."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

__all__ = ["RequestFiles", "current", "file_of_request", "new_file", "request_files"]


class RequestFiles:
    """
    A request's own folder for temporary files, made when it is first needed, and the files that the server put there.

    Example:
        >>> import io
        >>> with request_files() as files:
        ...     image = files.receive(io.BytesIO(b"pixels"), "image.png")
        ...     admitted = file_of_request(str(image))
        ...     admitted == image, file_of_request(str(image.parent)), file_of_request(f"{image}/../image.png")
        (True, None, None)
        >>> image.parent.exists()
        False
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._admitted: set[Path] = set()

    @property
    def folder(self) -> Path:
        """The folder; nobody else can read it."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp()).resolve()
        return self._folder

    def receive(self, content: BinaryIO, name: str) -> Path:
        """
        Keep what came with the request.

        Args:
            content: of the file.
            name: a plain file name, never a path.

        Returns:
            The file, which is admitted from now on.
        """
        path = self.folder / name
        with path.open("xb") as file:
            shutil.copyfileobj(content, file)
        self._admitted.add(path)
        return path

    def lend(self, path: Path) -> Path:
        """
        Admit a file of the server's own for this request: a session's image.

        Args:
            path: of the file, which stays where it is.
        """
        self._admitted.add(path.resolve())
        return path.resolve()

    def admits(self, path: Path) -> bool:
        """
        Whether a file came with, or was lent to, this request.

        Args:
            path: absolute and without links.
        """
        return path in self._admitted

    def end(self) -> None:
        """Remove the folder and what is in it."""
        self._admitted.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


_current: ContextVar[RequestFiles | None] = ContextVar("request_files", default=None)


@contextmanager
def request_files() -> Iterator[RequestFiles]:
    """The files of one request, until the block ends; threads that work for the request see them, too."""
    files = RequestFiles()
    token = _current.set(files)
    try:
        yield files
    finally:
        _current.reset(token)
        files.end()


def current() -> RequestFiles:
    """
    The files of the request that is being answered.

    Raises:
        RuntimeError: When none is.
    """
    files = _current.get()
    if files is None:
        raise RuntimeError("No request is being answered. Call this within request_files().")
    return files


def file_of_request(words: object) -> Path | None:
    """
    The one way from a client's words to a file outside the study: a path is admitted if it names, without links, dots
    or other detours, a file that came with this very request.

    Args:
        words: as the client gave them.

    Returns:
        The file; None for anything else.
    """
    files = _current.get()
    if files is None or not isinstance(words, str):
        return None
    try:
        path = Path(words).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):  # no such file, a name with NUL or of 300 characters, a circle of links
        return None
    return path if str(path) == words and path.is_file() and files.admits(path) else None


def new_file(suffix: str) -> Path:
    """
    An empty file, in the folder of the request if there is one.

    Args:
        suffix: of its name; never a client's.
    """
    files = _current.get()
    folder = None if files is None else files.folder
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False, dir=folder) as file:
        return Path(file.name)
