# SPDX-License-Identifier: Apache-2.0
"""``manifest.json``: where each file of a converted data set came from."""

from __future__ import annotations

import json
from pathlib import Path

from monai_kd.data.conversion.target import Entry
from monai_kd.utils.digest import sha256
from monai_kd.version import __version__

MANIFEST = "manifest.json"


def write_manifest(folder: Path, layout: str, source_layout: str, entries: list[Entry]) -> None:
    """Write the entries, and the SHA-256 of every file in the converted data set, which must be complete."""

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = {
        "layout": layout,
        "source_layout": source_layout,
        "monai_kd": __version__,
        "images": entries,
        "sha256": {path.relative_to(folder).as_posix(): sha256(path) for path in files},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
