# SPDX-License-Identifier: Apache-2.0
"""Which images a training saw, so that no score is of images that a network knows."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from monai_kd.utils.digest import sha256
from monai_kd.utils.messages import first_few

__all__ = ["SEEN", "digests", "files_of", "require_out_of_fold", "require_unseen", "seen_images"]

SEEN = "seen_images"  # in a record
LENGTH = 8  # bytes of an image's digest: among a million images, two are equal by chance once in 3 · 10⁷ data sets
WAY_OUT = "With --seen-images warn they are scored all the same."
logger = logging.getLogger(__name__)

Checkpoints = Mapping[str, Any] | Sequence[Any] | str | PathLike[str] | None


def seen_images(dataset: Any, checkpoints: Checkpoints = None) -> str:
    """
    Digests of the images that a training sees, for its record: of the content of their files, not of their names.

    Args:
        dataset: of the training, as MONAI's data sets: its ``data`` are dictionaries with the path ``image`` (or
            several paths) and, of a cine loop, ``frame``. Images that are no files are left out.
        checkpoints: of the teachers, or of the weights to start from, as in :func:`require_unseen`. What they saw
            counts, because the new network learns from it.

    Returns:
        Base64 of eight bytes for each image, in an order that says nothing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from types import SimpleNamespace
        >>> with TemporaryDirectory() as folder:
        ...     image = Path(folder, "1.png")
        ...     _ = image.write_bytes(b"an image")
        ...     seen_images(SimpleNamespace(data=[{"image": str(image)}]))
        'nsHn7j+/8HE='
    """
    found = {one for record in getattr(dataset, "data", ()) if (one := _digest(record)) is not None}
    for path in filter(Path.is_file, files_of(checkpoints)):
        found |= _seen_by(path)
    return base64.b64encode(b"".join(sorted(found))).decode()


def digests(text: Any) -> set[bytes]:
    """
    The digests in a record's text.

    Raises:
        ValueError: When it is none of :func:`seen_images`.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        data = b"?"
    if len(data) % LENGTH:
        raise ValueError(f"'{SEEN}' is no list of digests.")
    return {data[place : place + LENGTH] for place in range(0, len(data), LENGTH)}


def require_unseen(
    checkpoints: Checkpoints, records: Iterable[Mapping[str, Any]], action: str = "refuse", way_out: str = WAY_OUT
) -> None:
    """
    Refuse images for validation or test that the trainings of these checkpoints saw.

    Args:
        checkpoints: files, in any nesting of lists and dictionaries. Those that do not exist, and those whose record
            does not say what they saw, are skipped.
        records: of the images, as in :func:`seen_images`.
        action: "warn" logs the message instead of raising the error.
        way_out: the end of the error's message.

    Raises:
        ValueError: When one of them saw such an image, or the action is neither "refuse" nor "warn".
    """
    if action not in ("refuse", "warn"):
        raise ValueError(f"seen_images is {action!r}. Choose 'refuse' or 'warn'.")
    seen = {path: known for path in files_of(checkpoints) if path.is_file() and (known := _seen_by(path))}
    if not seen:
        return
    images = {str(record.get("id", record["image"])): _digest(record) for record in records}
    for path, known in seen.items():
        names = [name for name, digest in images.items() if digest in known]
        if not names:
            continue
        text = (
            f"'{path}' saw {len(names)} of these {len(images)} images in its training: {first_few(names)}. Their "
            "scores would say nothing about new images."
        )
        if action == "refuse":
            raise ValueError(
                f"{text} Give the split of that training (--split-file, --fold) or other images. {way_out}"
            )
        logger.warning(text)


def require_out_of_fold(files: Sequence[str], records: Sequence[Mapping[str, Any]], fold_of: Mapping[str, int]) -> None:
    """
    Refuse teachers of a cross-validation that are in another order than their folds, or of other folds.

    Args:
        files: the checkpoint of the teacher that was trained without fold ``k``, at place ``k``.
        records: the training images.
        fold_of: the folds of the labelled ones by id, from :func:`monai_kd.data.label_folds`.

    Raises:
        ValueError: When a teacher saw an image of the fold that it must answer.
    """
    for fold, path in enumerate(files):
        known = _seen_by(Path(path)) if Path(path).is_file() else set()
        names = [str(one["id"]) for one in records if fold_of.get(str(one["id"])) == fold and _digest(one) in known]
        if names:
            raise ValueError(
                f"'{path}' is the teacher of fold {fold}, but saw {len(names)} of its images: {first_few(names)}. Give "
                "the checkpoints in the order of their folds, of trainings with the same labels, split and seed."
            )


def files_of(checkpoints: Checkpoints) -> list[Path]:
    """
    The files in a nesting of lists and dictionaries, without the entries that are None.

    Example:
        >>> [str(path) for path in files_of({"teacher_def": ["a.pt", "b.pt"], "network_def": None})]
        ['a.pt', 'b.pt']
    """
    if checkpoints is None:
        return []
    if isinstance(checkpoints, Mapping):
        return files_of(list(checkpoints.values()))
    if isinstance(checkpoints, str | PathLike):
        return [Path(checkpoints)]
    return [path for one in checkpoints for path in files_of(one)]


def _seen_by(path: Path) -> set[bytes]:
    from monai_kd.bundle.record.training_record import load_record

    record = load_record(path)
    return set() if record is None else digests(record.get(SEEN, ""))


def _digest(record: Any) -> bytes | None:
    """Of an image's files and frame; None if the image is no file."""
    image = record.get("image") if isinstance(record, Mapping) else None
    if image is None or not all(isinstance(one, str | PathLike) for one in ensure_tuple(image)):
        return None
    files = [file for one in ensure_tuple(image) for file in _inside(Path(one))]
    if not files:
        return None
    parts = [sha256(file) for file in files] + ([str(record["frame"])] if "frame" in record else [])
    return hashlib.sha256(" ".join(parts).encode()).digest()[:LENGTH]


def _inside(path: Path) -> list[Path]:
    """A file, or the files of a folder that is one image, such as a DICOM series."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path] * path.is_file()
