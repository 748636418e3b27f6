# SPDX-License-Identifier: Apache-2.0
"""The files of one request, which are the only paths that a client can name, and are removed after the answer."""

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
    A request's folder for temporary files, created when it is first needed, and the files that it admits.

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
        """Keep an uploaded file under a plain name (never a path), and admit it."""
        path = self.folder / name
        with path.open("xb") as file:
            shutil.copyfileobj(content, file)
        self._admitted.add(path)
        return path

    def lend(self, path: Path) -> Path:
        """Admit one of the server's files, a session's image, for this request; the file is not moved."""
        self._admitted.add(path.resolve())
        return path.resolve()

    def admits(self, path: Path) -> bool:
        """Whether a path, absolute and without links, was received with or lent to this request."""
        return path in self._admitted

    def end(self) -> None:
        """Remove the folder and its files."""
        self._admitted.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


_current: ContextVar[RequestFiles | None] = ContextVar("request_files", default=None)


@contextmanager
def request_files() -> Iterator[RequestFiles]:
    """The files of one request, until the block ends; its threads share them."""
    files = RequestFiles()
    token = _current.set(files)
    try:
        yield files
    finally:
        _current.reset(token)
        files.end()


def current() -> RequestFiles:
    """The files of the current request; RuntimeError outside of one."""
    files = _current.get()
    if files is None:
        raise RuntimeError("No request is being answered. Call this within request_files().")
    return files


def file_of_request(words: object) -> Path | None:
    """
    A client's path, if it names a file of this request without links, dots or other detours; else None.

    This is the only way for a client to name a file outside the study.
    """
    files = _current.get()
    if files is None or not isinstance(words, str):
        return None
    try:
        path = Path(words).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):  # no such file, a name with NUL or 300 characters, a loop of links
        return None
    return path if str(path) == words and path.is_file() and files.admits(path) else None


def new_file(suffix: str) -> Path:
    """An empty temporary file, in the folder of the request if there is one; ``suffix`` must not be a client's."""
    files = _current.get()
    folder = None if files is None else files.folder
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False, dir=folder) as file:
        return Path(file.name)
