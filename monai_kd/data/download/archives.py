# SPDX-License-Identifier: Apache-2.0
"""
Safe unpacking of zip archives from elsewhere.

``zipfile``, and MONAI's ``extractall``, which checks only paths, unpack whatever an archive asks for. Here, the paths,
kinds and total size of the entries are checked first.
"""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

ENTRIES = 200_000
BYTES = 20 << 30
RATIO = 100  # an archive of images and tables unpacks to a few times its own size
CHUNK = 1 << 20
ENCRYPTED = 0x1  # bit of an entry's general-purpose flags


class DamagedArchiveError(ValueError):
    """An archive that cannot be used: damaged, hostile, or not an archive."""


def unpack(archive: Path, folder: Path, max_entries: int = ENTRIES, max_bytes: int = BYTES) -> None:
    """
    Unpack a zip archive into an empty folder, after all its entries were checked; nothing is written outside the
    folder.

    Args:
        max_entries: largest number of files and folders.
        max_bytes: largest total size when unpacked; in addition, at most 100 times the archive's size.

    Raises:
        DamagedArchiveError: When the file is not a zip archive or is damaged, an entry would leave the folder or is not
            a file or folder (a link, for instance), or the archive exceeds the limits.
        ValueError: When it is encrypted, or the disk is too full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            targets = _targets(archive, entries, max_entries)
            _require_size(archive, folder, sum(entry.file_size for entry in entries), max_bytes)
            for entry, target in zip(entries, targets, strict=True):
                _write(opened, entry, folder / target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError) as error:
        raise DamagedArchiveError(f"{archive} cannot be unpacked ({error}).{_looks_like(archive)}") from error
    except OSError as error:
        raise ValueError(
            f"{archive} cannot be unpacked into {folder}: {error.strerror or error}. Free some space or choose another "
            "--output-dir."
        ) from error


def _targets(archive: Path, entries: list[zipfile.ZipInfo], max_entries: int) -> list[PurePosixPath]:
    if len(entries) > max_entries:
        raise _hostile(archive, f"it has {len(entries)} entries, but {max_entries} are allowed")
    targets = [_target(archive, entry) for entry in entries]
    files = [str(path).casefold() for path, entry in zip(targets, entries, strict=True) if not entry.is_dir()]
    if len(set(files)) < len(files):
        twice = next(path for path in files if files.count(path) > 1)
        raise _hostile(archive, f"two entries have the name {twice!r}")
    return targets


def _target(archive: Path, entry: zipfile.ZipInfo) -> PurePosixPath:
    name = entry.orig_filename.replace("\\", "/")
    path = PurePosixPath(name)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if path.is_absolute() or re.match(r"[A-Za-z]:", name) or ".." in path.parts or "\0" in name or not path.parts:
        raise _hostile(archive, f"the entry {entry.orig_filename!r} would leave the folder")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _hostile(archive, f"the entry {name!r} is a link or device")
    if entry.flag_bits & ENCRYPTED:
        raise ValueError(f"{archive} is encrypted ({name!r}). Unpack it yourself with the publisher's password.")
    return path


def _require_size(archive: Path, folder: Path, declared: int, max_bytes: int) -> None:
    allowed = min(max_bytes, RATIO * archive.stat().st_size)
    if declared > allowed:
        raise _hostile(archive, f"it would unpack to {declared} bytes, but {allowed} are allowed")
    free = shutil.disk_usage(folder).free
    if declared > free:
        raise ValueError(
            f"{folder} has {free / 1e6:.0f} MB of free space, but {archive.name} unpacks to {declared / 1e6:.0f} MB. "
            "Free some space or choose another --output-dir."
        )


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(entry) as packed, target.open("xb") as stream:
        # read() stops at the declared size and compares the checksum there, so a wrong size counts as damage.
        while chunk := packed.read(CHUNK):
            stream.write(chunk)
            written += len(chunk)
    if written != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename!r} holds {written} bytes, but declares {entry.file_size}")


def _hostile(archive: Path, reason: str) -> DamagedArchiveError:
    return DamagedArchiveError(
        f"{archive} is not unpacked: {reason}. The publisher's archive is not like this. Report it if this repeats."
    )


def _looks_like(archive: Path) -> str:
    with archive.open("rb") as stream:
        start = stream.read(200).lstrip().lower()
    return " It is a web page: the publisher may require a click first." if start.startswith(b"<") else ""
