# SPDX-License-Identifier: Apache-2.0
"""Symbolic links in a data set: an archive from elsewhere must not make us read other files of this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from monai_kd.data.records.record import is_hidden
from monai_kd.utils.messages import first_few

DEPTH = 7  # levels of folders in which a layout looks for files: subfolders in images/


def require_inside(folder: Path, broken_too: bool = True) -> None:
    """
    Check that no link in a data set's folder leads out of it or nowhere; a ValueError names the links.

    The folder itself may be a link. Without ``broken_too``, broken links are accepted here; reading them gives the
    error.
    """
    home = folder.resolve()
    links = list(_links(folder, DEPTH))
    broken = [path for path in links if not path.exists()]
    if broken and broken_too:
        raise ValueError(f"{len(broken)} links in {folder} are broken: {first_few(broken)}. Copy the files again.")
    outside = [path for path in links if path not in broken and not path.resolve().is_relative_to(home)]
    if outside:
        raise ValueError(
            f"{len(outside)} links in {folder} lead out of it: {first_few(outside)}. Replace them by the files, or "
            "link the whole folder of the data set instead."
        )


def _links(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as found:  # it knows the kind of each entry, without a further look at the disk
        inside = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_symlink():
            yield folder / entry.name
        elif depth and entry.is_dir():
            yield from _links(folder / entry.name, depth - 1)
