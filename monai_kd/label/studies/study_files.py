# SPDX-License-Identifier: Apache-2.0
"""MONAI Label's local datastore, with correct ids, atomic writes and one change at a time."""

from __future__ import annotations

import fnmatch
import functools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from filelock import FileLock
from monailabel.datastore.local import LocalDatastore, LocalDatastoreModel

from monai_kd.data.image_files.formats import SUFFIXES, suffix_of
from monai_kd.data.records.record import image_files
from monai_kd.data.records.symbolic_links import require_inside
from monai_kd.label.requests.names import is_plain_name, is_tag
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["StudyFiles", "one_thread_at_a_time"]

PATTERNS = tuple(f"*{suffix}" for suffix in SUFFIXES)


def one_thread_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    """Run a method of :class:`StudyFiles` in one thread at a time: the list of images is empty during an update."""

    @functools.wraps(method)
    def call(self: StudyFiles, *arguments: Any, **named: Any) -> Any:
        with self.thread_lock:
            return method(self, *arguments, **named)

    return call


class StudyFiles(LocalDatastore):
    """
    A study's folder and its ``datastore_v2.json``.

    An id is a file's name without its suffix; it may hold dots, and the suffix may be in upper case. Files of unknown
    format, with names that a client may not use (:func:`is_plain_name`), and links out of the folder are not listed.

    Args:
        studies: folder, created if missing.
        extensions: patterns of the files to list, in upper or lower case.
        auto_reload: watch the folder for new files.
        read_only: list the files in ``datastore_v2.json``, without looking for new ones.

    Raises:
        ValueError: When ``datastore_v2.json`` is damaged, or a link leads out of the folder.
    """

    def __init__(
        self,
        studies: str | PathLike[str],
        *,
        extensions: Sequence[str] = PATTERNS,
        auto_reload: bool = False,
        read_only: bool = False,
    ) -> None:
        self.thread_lock = threading.RLock()
        if Path(studies).is_dir():
            require_inside(Path(studies))
        super().__init__(str(studies), extensions=list(extensions), auto_reload=auto_reload, read_only=read_only)
        if auto_reload:
            self._handler.on_moved = self._on_any_event  # atomic writes end with a rename, which the base ignores

    list_images = one_thread_at_a_time(LocalDatastore.list_images)
    get_labeled_images = one_thread_at_a_time(LocalDatastore.get_labeled_images)
    get_unlabeled_images = one_thread_at_a_time(LocalDatastore.get_unlabeled_images)
    datalist = one_thread_at_a_time(LocalDatastore.datalist)
    status = one_thread_at_a_time(LocalDatastore.status)
    json = one_thread_at_a_time(LocalDatastore.json)
    _reconcile_datastore = one_thread_at_a_time(LocalDatastore._reconcile_datastore)

    def suffixes(self) -> list[str]:
        """The suffixes of the files to list."""
        return [suffix for suffix in SUFFIXES if _matches(f"1{suffix}", self._extensions)]

    def inside(self, path: str) -> str:
        """Return the path of a file in the study, or answer 400 if a link leads out of it."""
        if not Path(path).resolve().is_relative_to(Path(self._datastore_path).resolve()):
            raise HTTPException(400, f"{Path(path).name!r} is a link out of the study. Copy the file in its place.")
        return path

    @contextmanager
    def changing(self) -> Iterator[None]:
        """
        Change files, one change at a time among all threads and processes.

        Raises:
            HTTPException: 507, when the disk is full or not writable; the old files are kept.
        """
        with self.thread_lock:
            try:
                with FileLock(self._lock_file):
                    self._read_again()
                    yield
            except ValueError as error:
                self._config_ts = 0  # read the file on disk again
                self._init_from_datastore_file()
                raise HTTPException(507, str(error)) from error

    def _read_again(self) -> None:
        """Read what another process may have written; the caller holds the lock."""
        path = Path(self._datastore_config_path)
        if path.is_file():
            self._datastore = LocalDatastoreModel.model_validate_json(path.read_text(encoding="utf-8"))
            self._datastore.base_path = self._datastore_path

    def _to_id(self, file: str) -> tuple[str, str]:
        end = len(file) - len(suffix_of(file))
        return file[:end], file[end:]

    def _list_files(self, path: str, patterns: Sequence[str]) -> dict[str, str]:
        home = Path(self._datastore_path).resolve()
        names = [file.name for file in image_files(Path(path)) if file.resolve().is_relative_to(home)]
        return {name: name for name in names if _matches(name, patterns) and is_plain_name(self._to_id(name)[0])}

    def _add_non_existing_labels(self, tag: str) -> int:
        return super()._add_non_existing_labels(tag) if is_tag(tag) else 0

    @one_thread_at_a_time
    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        try:
            super()._init_from_datastore_file(throw_exception)
            if throw_exception:
                self._require_own()
        except ValueError as error:
            raise ValueError(
                f"{self._datastore_config_path} is damaged ({' '.join(str(error).split())[:160]}). Move it away: a new "
                "one is made from the images and labels; only notes on them, such as scores, are lost."
            ) from error

    def _require_own(self) -> None:
        """Refuse names of files outside of this folder, which a study from elsewhere may list."""
        model = self._datastore
        folders = (Path(model.images_dir), Path(model.labels_dir))
        items = [(key, item) for key, found in model.objects.items() for item in (found.image, *found.labels.values())]
        strange = [key + item.ext for key, item in items if self._to_id(key + item.ext) != (key, item.ext)]
        strange += [key for key in model.objects if not is_plain_name(key)]
        strange += [tag for tag in model.tags() if not is_tag(tag)]
        strange += [str(path) for path, own in zip(folders, ("", "labels"), strict=True) if path != Path(own)]
        if strange:
            raise ValueError(f"it names {strange[0]!r}, which is none of this folder's files")

    @one_thread_at_a_time
    def _update_datastore_file(self, lock: bool = True) -> None:
        content = json.dumps(self._datastore.model_dump(exclude={"base_path"}), indent=2, default=str)
        with FileLock(self._lock_file) if lock else nullcontext():
            with atomic_write(self._datastore_config_path) as temporary:
                temporary.write_text(content, encoding="utf-8")
            self._config_ts = Path(self._datastore_config_path).stat().st_mtime  # type: ignore[assignment]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
