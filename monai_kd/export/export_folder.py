# SPDX-License-Identifier: Apache-2.0
"""The folder of an export: a small bundle of the student, and its exported forms."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from monai_kd.bundle.config_files import CONFIGS, read_merged, write_config
from monai_kd.bundle.open_bundle import Bundle, open_bundle
from monai_kd.export.forms import FORMS
from monai_kd.export.graph import RawNetwork, Segmenter, segmenter
from monai_kd.teachers import load_weights
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json

__all__ = ["Exported", "hashes", "open_export", "write_bundle"]

REPORT = "export.json"
CHECKPOINT = Path("models", "model.pt")


@dataclass(frozen=True)
class Exported:
    """A folder that ``export`` wrote, and the content of its ``export.json``."""

    folder: Path
    report: Mapping[str, Any]

    @cached_property
    def bundle(self) -> Bundle:
        """The student's bundle."""
        return open_bundle(self.folder)

    @property
    def checkpoint(self) -> Path:
        """The student's weights."""
        return self.folder / CHECKPOINT

    def module(self) -> Segmenter | RawNetwork:
        """The student in PyTorch, with its pre- and post-processing."""
        network: nn.Module = load_weights(self.bundle.network(), self.checkpoint)
        return segmenter(self.bundle, network, bool(self.report["raw"]))

    def forms(self) -> dict[str, Path]:
        """The files that exist, by form."""
        files = {name: self.folder / form.files[0] for name, form in FORMS.items()}
        return {name: file for name, file in files.items() if file.is_file()}


def write_bundle(folder: Path, bundle: Bundle, checkpoint: Path) -> None:
    """Copy a student's bundle, with the values of its training: ``configs``, ``models`` and, if any, ``scripts``."""
    original = read_merged(bundle.configs)  # without the values that were set for the export
    own = {"device": original.get("device"), "bundle_root": "."}
    content = {key: own.get(key, value) for key, value in bundle.parser.get().items() if key in original}
    write_config(folder / CONFIGS / "inference.json", content)
    if bundle.metadata:
        write_config(folder / CONFIGS / "metadata.json", bundle.metadata)
    (folder / CHECKPOINT).parent.mkdir()
    shutil.copyfile(checkpoint, folder / CHECKPOINT)
    if (bundle.root / "scripts").is_dir():
        shutil.copytree(bundle.root / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))


def open_export(path: Path) -> tuple[Exported, list[str]]:
    """
    Open an export by its folder or one of its files, and list the forms that ``path`` names.

    Raises:
        FileNotFoundError: When ``path`` does not exist.
        ValueError: When it is no export, or a file was changed since.
    """
    if not path.exists():
        raise FileNotFoundError(f"No folder or file '{path}'. Export a student first: python -m monai_kd export ….")
    whole = path.resolve()
    folder = next((one for one in (whole, *whole.parents[:2]) if (one / REPORT).is_file()), None)
    if folder is None:
        raise ValueError(
            f"'{path}' is not in a folder that `python -m monai_kd export` wrote: it has no {REPORT}. Name such a "
            "folder, or a file in it."
        )
    report = read_json(folder / REPORT, "Export the student again.")
    try:
        written, exported = {str(file): str(value) for file, value in report["files"].items()}, Exported(folder, report)
        _ = report["raw"], report["outputs"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"'{folder / REPORT}' is damaged ({error!r}). Export the student again.") from error
    files = exported.forms()
    chosen = [form for form, file in files.items() if path.is_dir() or file == whole]
    if not chosen:
        raise ValueError(f"'{path}' is no exported form. Name one of: {', '.join(map(str, files.values())) or 'none'}.")
    of_forms = {file for form in FORMS.values() for file in form.files}
    for file in [*(set(written) - of_forms), *(file for form in chosen for file in FORMS[form].files)]:
        if sha256(folder / file) != written.get(file):
            raise ValueError(
                f"'{folder / file}' is not the file that was exported: {REPORT} has another SHA-256, or none. It "
                "belongs to other weights, or was changed. Restore the exported file, or export the student again."
            )
    return exported, chosen


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder and its subfolders, by relative path."""
    return {file.relative_to(folder).as_posix(): sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()}
