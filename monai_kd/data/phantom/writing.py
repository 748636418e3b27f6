# SPDX-License-Identifier: Apache-2.0
"""Phantoms as files: pictures in Dataset_A's layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from monai_kd.data.phantom.drawing import draw_phantom
from monai_kd.data.phantom.settings import PhantomSettings
from monai_kd.files import atomic_folder


def write_phantoms(
    out: str | os.PathLike[str],
    count: int = 163,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    settings: PhantomSettings | None = None,
) -> None:
    """Write phantoms in Dataset_A's layout, all of them or nothing.

    ``original/000001.png`` holds the picture, ``GT/000001.png`` its mask (mode 1 and mode L by turns, as Dataset_A
    mixes them), and ``DatasetB.xlsx`` the pathology, "Normal" for a picture whose mask is empty. With ``settings`` the
    table also has a pixel's size in mm and the box of the scan in the picture (the last row and column exclusive).

    Args:
        out: the folder to make; it may exist if it is empty.
        count: number of phantoms, the paper's 163 unless given.
        seed: picks the data set; picture n of a seed is the same, whatever ``count``.
        progress: called with the number of phantoms done, after each.
        settings: probe, scanner and what else can be chosen.

    Raises:
        ValueError: when ``count`` is below 1 or ``seed`` negative, ``out`` is not empty, or cannot be written.
    """
    require_count(count, seed)
    with atomic_folder(out) as folder:
        _write(folder, count, seed, progress, settings)


def require_count(count: int, seed: int) -> None:
    """Check the number of phantoms of a data set, and its seed.

    Raises:
        ValueError: when ``count`` is below 1 or ``seed`` negative.
    """
    if count < 1:
        raise ValueError(f"count is the number of phantoms to make, got {count}. Give 1 or more.")
    if seed < 0:
        raise ValueError(f"seed of the phantoms is 0 or more, got {seed}. Choose another number.")


def _write(
    folder: Path, count: int, seed: int, progress: Callable[[int], object] | None, settings: PhantomSettings | None
) -> None:
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise ImportError("Phantoms come with a table in .xlsx. Run: pip install openpyxl") from error
    table = Workbook()
    sheet = table.worksheets[0]
    truth = ["Height (mm)", "Width (mm)", "Left", "Top", "Right", "Bottom"] if settings else []
    sheet.append(["Image", "Type", *truth])
    for name in ("original", "GT"):
        (folder / name).mkdir()
    for index in range(1, count + 1):
        drawn = draw_phantom(index, seed, settings)
        label = Image.fromarray(drawn.mask.astype(np.uint8) * np.uint8(255))
        Image.fromarray(drawn.image).save(folder / "original" / f"{index:06d}.png", compress_level=1)
        (label.convert("1") if index % 2 else label).save(folder / "GT" / f"{index:06d}.png", compress_level=1)
        sheet.append([f"{index:06d}", drawn.pathology, *([*drawn.spacing, *drawn.box] if settings else [])])
        if progress is not None:
            progress(index)
    table.save(folder / "DatasetB.xlsx")
