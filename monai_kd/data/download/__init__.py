# SPDX-License-Identifier: Apache-2.0
"""Public data sets from their publishers' own addresses; to add one, add an entry to ``sources.SOURCES``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from monai_kd.data.download.archives import DamagedArchiveError, unpack
from monai_kd.data.download.sources import ON_REQUEST, SOURCES, RemoteFile, Source, find_source
from monai_kd.data.download.transfer import fetch
from monai_kd.utils.atomic_files import require_writable
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json, write_json

__all__ = ["ON_REQUEST", "SOURCES", "RemoteFile", "Source", "download_dataset", "find_source"]

RECEIPT = "download.json"

Progress = Callable[[str, int, int], object]


def download_dataset(
    name: str,
    out: str | PathLike[str],
    progress: Progress | None = None,
    tell: Callable[[str], object] = print,
    sleep: Callable[[float], object] | None = None,
) -> bool:
    """
    Download a data set and unpack it into ``out``, completely or not at all.

    Partial files lie beside it in ``.<out>.download``, from which an interrupted download is resumed. A finished
    download has a file ``download.json`` (addresses, checksums, license, and the list of files). Then nothing is
    downloaded again, unless files are missing; these are restored. The user's own files in ``out`` are not touched.

    Args:
        name: one of ``SOURCES``.
        out: the folder to make. It may exist if it is empty or a download of this data set.
        progress: called with a file's name, and the numbers of its bytes so far and in all (0 if unknown).
        tell: receives messages for the user.
        sleep: waits between attempts, in seconds. Defaults to None: really wait.

    Returns:
        Whether anything was downloaded.

    Raises:
        ValueError: When there is no such data set, ``out`` holds other files, the download fails, its checksum is
            wrong, or the archive is damaged or hostile.

    Example:
        >>> sorted(SOURCES)  # each by download_dataset("busbra", "data/busbra")
        ['breast', 'busbra', 'busi', 'busuclm']
    """
    source, folder = find_source(name), Path(out).resolve()
    receipt = _receipt(folder, name)
    missing = _missing(folder, receipt)
    if receipt and not missing:
        return False
    if receipt:
        tell(f"{len(missing)} files of {folder} are missing or cut off, for instance {missing[0]}. Downloading again.")
    work = folder.with_name(f".{folder.name}.download")
    require_writable(work)
    try:
        files = [_file(remote, work, receipt, progress, tell, sleep) for remote in source.files]
        with _fresh(work) as fresh:
            for remote in source.files:
                _unpack(work / remote.name, fresh)
            _write_receipt(fresh, name, source, files)
            _put(fresh, folder)
        shutil.rmtree(work)
    finally:
        if work.exists() and not any(work.iterdir()):
            work.rmdir()
    return True


@contextmanager
def _fresh(work: Path) -> Iterator[Path]:
    """An empty folder to unpack into; it is removed at the end unless it was moved."""
    fresh = work / "unpacked"
    shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
    fresh.mkdir()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _unpack(path: Path, fresh: Path) -> None:
    if path.suffix != ".zip":
        shutil.copyfile(path, fresh / path.name)
        return
    try:
        unpack(path, fresh)
    except DamagedArchiveError as error:
        path.unlink()
        raise ValueError(f"{error} It was removed. Run the command again to download it again.") from error


def _file(
    remote: RemoteFile,
    work: Path,
    receipt: dict[str, Any],
    progress: Progress | None,
    tell: Callable[[str], object],
    sleep: Callable[[float], object] | None,
) -> dict[str, Any]:
    path = work / remote.name
    if not path.exists():
        options = {} if sleep is None else {"sleep": sleep}
        fetch(remote.address, path, remote.size, progress and (lambda *done: progress(remote.name, *done)), **options)
    found = sha256(path)
    former = {file["name"]: file["sha256"] for file in receipt.get("files", [])}.get(remote.name, "")
    expected, whose = (remote.sha256, "the publisher's file") if remote.sha256 else (former, "the earlier download")
    if expected and found != expected:
        path.unlink()
        raise ValueError(
            f"{remote.name} from {remote.address} has the SHA-256 {found}, but {whose} has {expected}. It was removed. "
            "Run the command again. If this repeats, the publisher has changed the file: see the data set's page."
        )
    if not expected:
        agreed = "others have found the same" if found == remote.seen else "it is kept to check later downloads"
        differs = remote.seen and found != remote.seen
        hint = f" Others have found {remote.seen}: the publisher may have changed the file." if differs else ""
        tell(f"{remote.name}: the publisher gives no checksum. SHA-256 {found}; {agreed}.{hint}")
    return {"name": remote.name, "address": remote.address, "size": path.stat().st_size, "sha256": found}


def _receipt(folder: Path, name: str) -> dict[str, Any]:
    """
    The content of ``download.json`` of an earlier download; empty if ``folder`` is missing or empty.

    Raises:
        ValueError: When ``folder`` holds anything else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    try:
        receipt = read_json(folder / RECEIPT)
        if receipt["name"] == name:
            return dict(receipt)
        held = f"holds {receipt['name']}"
    except (OSError, ValueError, TypeError, KeyError):
        held = f"is not empty and has no {RECEIPT} of an earlier download"
    raise ValueError(f"{folder} {held}. Choose another --output-dir.")


def _missing(folder: Path, receipt: dict[str, Any]) -> list[str]:
    sizes = receipt.get("content", {})
    return [name for name, size in sizes.items() if not _has(folder / name, size)]


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write_receipt(fresh: Path, name: str, source: Source, files: list[dict[str, Any]]) -> None:
    content = {path.relative_to(fresh).as_posix(): path.stat().st_size for path in fresh.rglob("*") if path.is_file()}
    receipt = {
        "name": name,
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        "page": source.page,
        "license": source.license,
        "terms": source.terms,
        "citation": source.citation,
        "files": files,
        "content": dict(sorted(content.items())),
    }
    write_json(fresh / RECEIPT, receipt)


def _put(fresh: Path, folder: Path) -> None:
    """Rename ``fresh`` to ``folder``, or restore the files that ``folder`` lacks, the receipt last."""
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    if not folder.exists():
        fresh.rename(folder)
        return
    files = sorted((path for path in fresh.rglob("*") if path.is_file()), key=lambda path: path == fresh / RECEIPT)
    for file in files:
        target = folder / file.relative_to(fresh)
        if not _has(target, file.stat().st_size) or file.name == RECEIPT:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
