# SPDX-License-Identifier: Apache-2.0
"""Synthetic breast ultrasound with lesion masks, for trying everything out without any patient's image."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_kd.data.phantom.lesion import add_lesion
from monai_kd.data.phantom.scanner import draw_scanner
from monai_kd.data.phantom.tissue import PITCH, breast


def phantom(index: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str]:
    """Synthetic B-mode picture of one breast lesion, its mask and its pathology, the same for the same arguments.

    Scatterers of random phase in layered tissue are blurred by a pulse and a beam that widens away from the focus,
    attenuated, amplified with depth, and shown on a logarithmic scale (see ``scanner.Scanner``).

    Args:
        index: number of the picture, from 0.
        seed: picks the data set, from 0.

    Returns:
        the picture (H, W), 239–791 wide and 233–641 high as in Dataset_A; the mask (H, W) of its lesion; "Benign" or
        "Malignant".

    Raises:
        ValueError: when ``index`` or ``seed`` is negative.

    Example:
        >>> image, mask, pathology = phantom(1)
        >>> image.shape == mask.shape, image.dtype, pathology in ("Benign", "Malignant")
        (True, dtype('uint8'), True)
    """
    if index < 0 or seed < 0:
        raise ValueError(f"index and seed of a phantom are 0 or more, got {index} and {seed}. Choose other numbers.")
    random = np.random.default_rng([seed, index])
    width = int(np.clip(random.normal(530, 110), 239, 791))
    height = int(np.clip(width * random.uniform(0.65, 0.95), 233, 641))
    across = random.uniform(36, 48)
    tissue = breast(random, (round(across * height / width / PITCH), round(across / PITCH)))
    distance, pathology = add_lesion(tissue, random)
    picture = Image.fromarray(draw_scanner(random).scan(tissue, random))
    image = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    mask = np.asarray(Image.fromarray(distance).resize((width, height), Image.Resampling.BILINEAR)) > 0
    return image, mask, pathology


def write_phantoms(
    out: str | os.PathLike[str], count: int = 163, seed: int = 0, progress: Callable[[int], object] | None = None
) -> None:
    """Write phantoms in Dataset_A's layout, all of them or nothing.

    ``original/000001.png`` holds the picture, ``GT/000001.png`` its mask (mode 1 and mode L by turns, as Dataset_A
    mixes them), and ``DatasetB.xlsx`` the pathology.

    Args:
        out: the folder to make; it may exist if it is empty.
        count: number of phantoms, the paper's 163 unless given.
        seed: picks the data set; picture n of a seed is the same, whatever ``count``.
        progress: called with the number of phantoms done, after each.

    Raises:
        ValueError: when ``count`` is below 1 or ``seed`` negative, ``out`` is not empty, or cannot be written.
    """
    if count < 1:
        raise ValueError(f"count is the number of phantoms to write, got {count}. Give 1 or more.")
    if seed < 0:
        raise ValueError(f"seed of the phantoms is 0 or more, got {seed}. Choose another number.")
    folder = Path(out).resolve()
    try:
        _require_empty(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        part.mkdir()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _write(part, count, seed, progress)
        try:
            if folder.exists():
                folder.rmdir()
            part.rename(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        kind = "is not empty" if folder.is_dir() else "is a file"
        raise ValueError(f"{folder} {kind}. Choose a folder that does not exist yet, or remove it first.")


def _unwritable(folder: Path, error: OSError) -> ValueError:
    return ValueError(f"Cannot write phantoms to {folder}: {error}. Choose a folder that you may write to.")


def _write(folder: Path, count: int, seed: int, progress: Callable[[int], object] | None) -> None:
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise ImportError("Phantoms come with a table in .xlsx. Run: pip install openpyxl") from error
    table = Workbook()
    sheet = table.worksheets[0]
    sheet.append(["Image", "Type"])
    for name in ("original", "GT"):
        (folder / name).mkdir()
    for index in range(1, count + 1):
        image, mask, pathology = phantom(index, seed)
        label = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
        Image.fromarray(image).save(folder / "original" / f"{index:06d}.png", compress_level=1)
        (label.convert("1") if index % 2 else label).save(folder / "GT" / f"{index:06d}.png", compress_level=1)
        sheet.append([f"{index:06d}", pathology])
        if progress is not None:
            progress(index)
    table.save(folder / "DatasetB.xlsx")
