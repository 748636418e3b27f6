# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections import namedtuple

import pytest

from monai_kd.data.download.archives import DamagedArchiveError, unpack

ZEROS = bytes(2_000_000)


def zipped(*entries, method=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of (name or ZipInfo, content)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def link(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (mode | 0o777) << 16
    return entry


@pytest.fixture
def unpacked(tmp_path):
    """Unpack bytes; gives the files by name."""

    def run(content: bytes, **limits):
        archive, folder = tmp_path / "a.zip", tmp_path / "in" / "out"
        archive.write_bytes(content)
        folder.mkdir(parents=True)
        unpack(archive, folder, **limits)
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items()}

    return run


def test_files_and_folders_come_out(unpacked, tmp_path):
    content = zipped(("a/", ""), ("a/benign (1).png", b"1"), ("b/c/é.png", b"2"), ("d\\e.png", b"3"), ("empty/", ""))
    assert unpacked(content) == {"a/benign (1).png": b"1", "b/c/é.png": b"2", "d/e.png": b"3"}
    assert (tmp_path / "in" / "out" / "empty").is_dir()


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/tmp/x", "\\x", "..\\x", "C:\\x", "c:x", "//server/x", ".", "a/.."]
)
def test_nothing_leaves_the_folder(unpacked, tmp_path, name):
    with pytest.raises(DamagedArchiveError, match="would leave the folder"):
        unpacked(zipped(("good.png", b"1"), (name, b"x")))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "in", "out"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(unpacked, tmp_path, mode):
    with pytest.raises(DamagedArchiveError, match="'out' is a link or device"):
        unpacked(zipped((link("out", mode), "/etc"), ("out/passwd", b"x")))
    assert not list((tmp_path / "in" / "out").iterdir())


@pytest.mark.parametrize("names", [("a", "a"), ("A", "a"), ("b/a", "b\\a")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(unpacked, names):
    with pytest.raises(DamagedArchiveError, match="two entries have the name"):
        unpacked(zipped(*[(name, b"x") for name in names]))


def test_file_that_is_also_a_folder_is_refused(unpacked):
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpacked(zipped(("a", b"x"), ("a/b", b"x")))


def test_bomb_is_refused_before_it_bursts(unpacked, tmp_path):
    with pytest.raises(DamagedArchiveError, match="unpack to 4000000 bytes"):
        unpacked(zipped(("a", ZEROS), ("b", ZEROS)))
    assert not list((tmp_path / "in" / "out").iterdir())


def test_bomb_that_lies_about_its_size_bursts_within_bounds(unpacked, tmp_path):
    content = bytearray(zipped(("a", ZEROS)))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", content, content.index(signature) + at, 1000)
    with pytest.raises(DamagedArchiveError, match="cannot be unpacked"):
        unpacked(bytes(content))
    assert sum(path.stat().st_size for path in (tmp_path / "in").rglob("*") if path.is_file()) <= 1000


def test_number_and_bytes_are_bounded(unpacked):
    with pytest.raises(DamagedArchiveError, match="3 entries, but 2 are allowed"):
        unpacked(zipped(*[(str(i), b"x") for i in range(3)]), max_entries=2)


def test_bytes_are_bounded(unpacked):
    with pytest.raises(DamagedArchiveError, match="300 bytes, but 299 are allowed"):
        unpacked(zipped(("a", bytes(300)), method=zipfile.ZIP_STORED), max_bytes=299)


def test_encrypted_archive_is_named(unpacked):
    content = bytearray(zipped(("a", b"secret")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ValueError, match=r"a\.zip is encrypted \('a'\)\. Unpack it yourself with the publisher"):
        unpacked(bytes(content))


def test_damaged_archives(unpacked, tmp_path):
    good = zipped(("a", bytes(range(256)) * 9), method=zipfile.ZIP_STORED)
    damaged = bytearray(good)
    damaged[100] ^= 1
    for content in (b"", b"PK", good[:-40], bytes(damaged)):
        with pytest.raises(DamagedArchiveError, match=r"a\.zip cannot be unpacked"):
            unpacked(content)
        for path in sorted(tmp_path.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


def test_web_page_in_place_of_an_archive_is_recognized(unpacked):
    with pytest.raises(DamagedArchiveError, match="It is a web page"):
        unpacked(b"\n<!DOCTYPE html><html>Please accept our terms</html>")


def test_full_disk_is_found_before_anything_is_written(unpacked, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(0, 0, 9)
    monkeypatch.setattr("monai_kd.data.download.archives.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match="Free some space"):
        unpacked(zipped(("a", b"0123456789")))
    assert not list((tmp_path / "in" / "out").iterdir())
