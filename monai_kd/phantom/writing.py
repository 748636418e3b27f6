# SPDX-License-Identifier: Apache-2.0
"""Phantoms as files: pictures in Dataset_A's layout, volumes in plain folders."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from monai_kd.phantom.drawing import draw_phantom
from monai_kd.phantom.settings import PhantomSettings, require_count
from monai_kd.phantom.volumes.volume import phantom_volume
from monai_kd.utils.atomic_files import atomic_folder


def write_phantoms(
    out: str | os.PathLike[str],
    count: int = 163,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    settings: PhantomSettings | None = None,
) -> None:
    """
    Write phantoms in Dataset_A's layout, all of them or nothing.

    ``original/000001.png`` holds the picture, ``GT/000001.png`` its mask, and ``DatasetB.xlsx`` the pathology. The
    masks alternate between 1 and 8 bits, because Dataset_A mixes both. A picture with an empty mask is "Normal". With
    ``settings``, the table also has a pixel's size in mm and the box of the scan in the picture (last row and column
    exclusive).

    Args:
        out: the folder to make; it may exist if it is empty.
        count: number of phantoms. Defaults to 163, the size of Dataset_A.
        seed: selects the data set; picture n of a seed does not depend on ``count``.
        progress: called with the number of finished phantoms.
        settings: probe, scanner and more. Defaults to None: the defaults of :class:`PhantomSettings`, and the short
            table.

    Raises:
        ValueError: When ``count`` is below 1, ``seed`` is negative, or ``out`` is not empty or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_phantoms(folder, count=2)
        ...     sorted(path.name for path in Path(folder).rglob("*.*"))
        ['000001.png', '000001.png', '000002.png', '000002.png', 'DatasetB.xlsx']
    """
    require_count(count, seed)
    with atomic_folder(out) as folder:
        _write(folder, count, seed, progress, settings)


def write_phantom_volumes(
    out: str | os.PathLike[str],
    count: int = 20,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    settings: PhantomSettings | None = None,
    size: tuple[int, int, int] = (96, 96, 64),
) -> None:
    """
    Write volumes in plain folders, all of them or nothing.

    ``images/000001.nii.gz`` holds the gray values (W, H, D) with millimeters in its affine, ``labels/000001.nii.gz``
    the mask of 0 and 1, and ``patients.csv`` the columns id, patient and pathology.

    Args:
        out: the folder to make; it may exist if it is empty.
        count: number of volumes.
        seed: selects the data set; volume n of a seed does not depend on ``count``.
        progress: called with the number of finished volumes.
        settings: scanner, gain, noise, dynamic range and fraction of normals.
        size: of each volume in voxels, (W, H, D), at least 16 each.

    Raises:
        ValueError: When ``count`` is below 1, ``seed`` is negative, ``settings`` do not suit volumes, or ``out`` is not
            empty or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_phantom_volumes(folder, count=1, size=(32, 32, 24))
        ...     sorted(path.name for path in Path(folder).rglob("*.*"))
        ['000001.nii.gz', '000001.nii.gz', 'patients.csv']
    """
    require_count(count, seed)
    with atomic_folder(out) as folder:
        for name in ("images", "labels"):
            (folder / name).mkdir()
        with (folder / "patients.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(["id", "patient", "pathology"])
            for index in range(1, count + 1):
                volume, key = phantom_volume(index, seed, size, settings), f"{index:06d}"
                affine = np.diag([*volume.spacing, 1.0])
                for name, values in (("images", volume.image), ("labels", volume.mask.astype(np.uint8))):
                    picture = nibabel.Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
                    nibabel.save(picture, folder / name / f"{key}.nii.gz")
                table.writerow([key, key, volume.pathology.lower()])
                if progress is not None:
                    progress(index)


def _write(
    folder: Path, count: int, seed: int, progress: Callable[[int], object] | None, settings: PhantomSettings | None
) -> None:
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise ImportError("DatasetB.xlsx needs openpyxl. Run: pip install openpyxl") from error
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
