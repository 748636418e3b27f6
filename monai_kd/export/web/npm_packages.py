# SPDX-License-Identifier: Apache-2.0
"""The npm packages that the page needs: pinned, downloaded once and checked."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from monai_kd.data.download.transfer import fetch
from monai_kd.utils.atomic_files import require_writable

__all__ = ["PACKAGES", "NpmPackage", "cache_folder", "fetch_packages", "unpack"]

REGISTRY = "https://registry.npmjs.org"


@dataclass(frozen=True)
class NpmPackage:
    """
    A package of the npm registry.

    Args:
        name: with its scope, such as ``@cornerstonejs/codec-charls``.
        version: the pinned one.
        integrity: the registry's SHA-512 of the archive, in base 64.
        files: the files of the package that the page needs.

    Example:
        >>> package = NpmPackage("@scope/codec", "1.2.3", "", ("dist/codec.js",))
        >>> package.archive, package.folder
        ('scope-codec-1.2.3.tgz', 'codec')
    """

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    @property
    def archive(self) -> str:
        """The file's name, as ``npm pack`` gives it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def folder(self) -> str:
        """The name of its folder in the page."""
        return self.name.rpartition("/")[2]


PACKAGES = (
    NpmPackage(
        "onnxruntime-web",
        "1.30.0",
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        (
            "dist/ort.wasm.min.mjs",
            "dist/ort-wasm-simd-threaded.mjs",
            "dist/ort-wasm-simd-threaded.wasm",
            "package.json",
        ),
    ),
    NpmPackage(
        "dicom-parser",
        "1.8.21",
        "lYCweHQDsC8UFpXErPlg86Px2A8bay0HiUY+wzoG3xv5GzgqVHU3lziwSc/Gzn7VV7y2KeP072SzCviuOoU02w==",
        ("dist/dicomParser.min.js", "LICENSE"),
    ),
    NpmPackage(
        "jpeg-lossless-decoder-js",
        "2.1.2",
        "fYf/plymnuKwVw+s8gJ8O/BPw8y8OLaN11MBvEcT05kuy3m45o7BEC4J0JbxMNUYyO+MdK/I/jq0q1gkVYZm2Q==",
        ("release/lossless-min.js", "LICENSE"),
    ),
    NpmPackage(
        "@cornerstonejs/codec-charls",
        "1.2.7",
        "kNfQ7J8LIrfQUbt56fPJ0SEvevLlAAbsLHjqPS4DUDWVSuAHb5Fn0cMIV/U0SYkJRJqKvzyLJYF1hl7/xQGqLQ==",
        ("dist/charlswasm_decode.js", "dist/charlswasm_decode.wasm", "LICENSE"),
    ),
    NpmPackage(
        "@cornerstonejs/codec-openjpeg",
        "1.3.6",
        "bSdZXF+2GxfBkWHUr7yGLQtIwbAm9wOl3e4ARee/9Z9lfKyVqhUCixI6+ZjIn9YKTIuDcn/NZNK94XEUg1SBtw==",
        ("dist/openjpegwasm_decode.js", "dist/openjpegwasm_decode.wasm", "package.json"),
    ),
)
"""ONNX Runtime Web, a reader of DICOM headers, and decoders of JPEG lossless, JPEG-LS and JPEG 2000."""


def cache_folder() -> Path:
    """The user's folder of downloaded archives, in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "monai_kd", "npm")


def fetch_packages(folder: Path | None = None, packages: Sequence[NpmPackage] = PACKAGES) -> list[Path]:
    """
    The archives of the packages; those that a folder lacks are downloaded into it, by npm where it is installed.

    Args:
        folder: of the archives. Defaults to None: :func:`cache_folder`.
        packages: what is needed.

    Returns:
        The archives, in the order of ``packages``, each with the integrity that is recorded here.

    Raises:
        ValueError: When a package cannot be downloaded, or is not the recorded one.
    """
    folder = cache_folder() if folder is None else folder
    return [_fetched(package, folder, packages) for package in packages]


def unpack(package: NpmPackage, archive: Path, folder: Path) -> None:
    """
    Copy the files that the page needs out of an archive, into a folder that exists.

    Raises:
        ValueError: When the archive lacks one of them.
    """
    with tarfile.open(archive) as opened:
        for name in package.files:
            try:
                content = opened.extractfile(f"package/{name}")
            except KeyError:
                content = None
            if content is None:
                raise ValueError(f"{archive} has no file '{name}'. Remove it: it will be downloaded again.")
            with content, (folder / Path(name).name).open("wb") as file:
                shutil.copyfileobj(content, file)


def _fetched(package: NpmPackage, folder: Path, packages: Sequence[NpmPackage]) -> Path:
    path = folder / package.archive
    if path.is_file() and _integrity(path) == package.integrity:
        return path
    require_writable(folder)
    with TemporaryDirectory(dir=folder) as work:
        made = Path(work, package.archive)
        try:
            _download(package, made)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            names = " ".join(f"{each.name}@{each.version}" for each in packages)
            raise ValueError(
                f"{package.name} {package.version} cannot be downloaded from the npm registry: {_reason(error)}. "
                f"Without a network: run `npm pack {names}` on another machine, copy the .tgz files here, and give "
                "their folder with --runtime-dir."
            ) from error
        if (found := _integrity(made)) != package.integrity:
            raise ValueError(
                f"{package.archive} from the npm registry has the SHA-512 {found}, but {package.integrity} is "
                "recorded. It is not the tested file and was removed. Check which registry npm is set to."
            )
        made.replace(path)
    return path


def _download(package: NpmPackage, path: Path) -> None:
    """By npm, which knows the user's registry, proxy and certificates; without npm from the public registry."""
    npm = shutil.which("npm")
    if npm is None:
        registry = os.environ.get("npm_config_registry", REGISTRY).rstrip("/")  # noqa: SIM112 (npm reads this name)
        fetch(f"{registry}/{package.name}/-/{package.folder}-{package.version}.tgz", path)
        return
    words = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(path.parent)]
    subprocess.run(
        [*words, "--ignore-scripts", "--silent"], cwd=path.parent, check=True, capture_output=True, text=True
    )


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return "npm pack failed" + (f" ({error.stderr.strip().splitlines()[-1]})" if error.stderr.strip() else "")
    return str(error).rstrip(".")


def _integrity(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
