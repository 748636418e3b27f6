# SPDX-License-Identifier: Apache-2.0
"""Writing of the page's folder."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from monai_kd.bundle.open_bundle import Bundle
from monai_kd.export.graph import RawNetwork, Segmenter
from monai_kd.export.web.npm_packages import PACKAGES, fetch_packages, unpack
from monai_kd.phantom import phantom
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import write_json

__all__ = ["WEB", "page_archives", "write_page"]

WEB = "web"
"""The name of the form, and of its folder within an export."""
PAGE = Path(__file__).with_name("page")
VENDOR = "vendor"
EXAMPLES = 3
LARGE = (".onnx", ".wasm")  # what the page itself loads, and compares with its SHA-256


def page_archives(bundle: Bundle, module: Segmenter | RawNetwork, runtime_dir: Path | None = None) -> list[Path]:
    """
    Check that the page can show what a student returns, and get the npm packages that the page needs.

    Args:
        bundle: the student's.
        module: the student.
        runtime_dir: folder of the packages' archives; those that it lacks are downloaded into it. Defaults to None: the
            user's cache.

    Returns:
        The archives, for :func:`write_page`.

    Raises:
        ValueError: When the student does not take a picture in gray or color and return one mask, or a package cannot
            be downloaded.
    """
    shape = bundle.input_shape
    if isinstance(module, RawNetwork):
        found = "is exported as the network alone, for prepared input"
    elif len(shape) != 4 or shape[1] not in (1, 3):
        found = f"takes {shape[1]} channels and {len(shape) - 2} axes"
    elif module.outputs[0] != "mask":
        found = "gives no mask"
    elif module.threshold is not None and len(bundle.classes) > 2:
        found = "gives a mask for each class"
    else:
        return fetch_packages(runtime_dir)
    raise ValueError(
        f"The page shows one mask of a picture in gray or color, but this student {found}. Leave web out of --forms."
    )


def write_page(
    folder: Path,
    archives: Sequence[Path],
    student: Path,
    bundle: Bundle,
    outputs: Sequence[str],
    description: Mapping[str, str],
) -> None:
    """
    Write a folder of static files that segments in a browser.

    Args:
        folder: to make.
        archives: of :func:`page_archives`.
        student: the exported ``student.onnx``.
        bundle: the student's.
        outputs: the names of the student's outputs.
        description: short texts of the export, by name.

    Raises:
        ValueError: When an archive lacks a file.
    """
    shutil.copytree(PAGE, folder)
    shutil.copyfile(student, folder / "student.onnx")
    for package, archive in zip(PACKAGES, archives, strict=True):
        place = folder / VENDOR / package.folder
        place.mkdir(parents=True)
        unpack(package, archive, place)
    examples = _write_examples(folder / "examples")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in LARGE]
    content = {
        "bundle": description["bundle"],
        "version": description["bundle_version"],
        "weights": description["weights_sha256"],
        "classes": json.loads(description["classes"]),
        "channels": bundle.input_shape[1],
        "outputs": list(outputs),
        "runtime": f"ONNX Runtime Web {PACKAGES[0].version}",
        "examples": examples,
        "integrity": {path.relative_to(folder).as_posix(): _integrity(path) for path in files},
    }
    write_json(folder / "page.json", content)


def _write_examples(folder: Path) -> list[str]:
    """Synthetic pictures to try the page with; their names within the page."""
    folder.mkdir()
    names = [f"synthetic{number}.png" for number in range(1, EXAMPLES + 1)]
    for seed, name in enumerate(names):
        Image.fromarray(phantom(seed)[0]).save(folder / name)
    return [f"{folder.name}/{name}" for name in names]


def _integrity(path: Path) -> str:
    """SHA-256 as browsers take it in ``fetch``."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256(path))).decode()}"
