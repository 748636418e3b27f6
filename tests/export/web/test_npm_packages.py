# SPDX-License-Identifier: Apache-2.0
"""Packages of the npm registry: downloaded once, checked, and taken from a folder where there is no network."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from monai_kd.export.web import npm_packages
from monai_kd.export.web.npm_packages import NpmPackage, cache_folder, fetch_packages, unpack
from tests.data.download.server import serve


def archive():
    """An npm archive with one file."""
    content = b"export const one = 1;\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        entry = tarfile.TarInfo("package/dist/one.js")
        entry.size = len(content)
        opened.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = archive()
PACKAGE = NpmPackage(
    "@scope/one", "1.2.3", base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode(), ("dist/one.js",)
)


@pytest.fixture
def registry(monkeypatch):
    """A registry on this machine, asked without npm."""
    monkeypatch.setattr(npm_packages.shutil, "which", lambda name: None)
    with serve() as publisher:
        monkeypatch.setenv("npm_config_registry", publisher.root)
        publisher.files["/@scope/one/-/one-1.2.3.tgz"] = ARCHIVE
        yield publisher


def test_a_package_is_downloaded_once_and_unpacked(registry, tmp_path):
    for _ in range(2):
        (path,) = fetch_packages(tmp_path / "cache", [PACKAGE])
        assert path == tmp_path / "cache" / "scope-one-1.2.3.tgz" and len(registry.requests) == 1
    unpack(PACKAGE, path, tmp_path)
    assert (tmp_path / "one.js").read_text().startswith("export")
    path.write_bytes(b"damaged")
    fetch_packages(tmp_path / "cache", [PACKAGE])
    assert path.read_bytes() == ARCHIVE and len(registry.requests) == 2


def test_another_file_than_the_recorded_one_is_refused(registry, tmp_path):
    registry.files["/@scope/one/-/one-1.2.3.tgz"] = ARCHIVE + b"\0"
    with pytest.raises(
        ValueError, match=r"scope-one-1\.2\.3\.tgz from the npm registry has the SHA-512 .* is recorded"
    ):
        fetch_packages(tmp_path, [PACKAGE])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("with_npm", [True, False])
def test_without_a_network_the_error_says_what_to_do(registry, with_npm, tmp_path, monkeypatch):
    registry.files.clear()
    if with_npm:
        program = tmp_path / "npm"
        program.write_text("#!/bin/sh\necho 'npm error network ENOTFOUND' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setattr(npm_packages.shutil, "which", lambda name: str(program))
    reason = "npm pack failed .*ENOTFOUND" if with_npm else "answers HTTP 404"
    with pytest.raises(ValueError, match=rf"{reason}.*run `npm pack @scope/one@1\.2\.3`.*--runtime-dir"):
        fetch_packages(tmp_path / "cache", [PACKAGE])
    assert not list((tmp_path / "cache").iterdir())


def test_an_archive_without_a_file_is_told(tmp_path):
    (tmp_path / PACKAGE.archive).write_bytes(ARCHIVE)
    lacking = NpmPackage("@scope/one", "1.2.3", PACKAGE.integrity, ("dist/two.js",))
    with pytest.raises(ValueError, match=r"has no file 'dist/two\.js'"):
        unpack(lacking, tmp_path / PACKAGE.archive, tmp_path)


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "monai_kd" / "npm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "monai_kd" / "npm"
