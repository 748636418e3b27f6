# SPDX-License-Identifier: Apache-2.0
"""NRRD, MHA and DICOM by ITK, each with its own reader: ITK's choice would try every format it knows on a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from monai_kd.data.image_files.file_errors import UnsuitableError
from monai_kd.data.image_files.formats import DICOM_SUFFIXES, format_of, suffix_of

READERS = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO", **dict.fromkeys(DICOM_SUFFIXES, "GDCMImageIO")}
PIXELS = {
    "unsigned_char": "UC",
    "unsigned_short": "US",
    "short": "SS",
    "unsigned_int": "UI",
    "int": "SI",
    "unsigned_long": "UL",
    "unsigned_long_long": "ULL",
    "float": "F",
    "double": "D",
}  # the types that itk-io holds; others are read as float
TINY = 1e-12
TEXT_HEADER = 2**16
MHA_TEXT = re.compile(rb"([\t -~]{0,1000}\r?\n)*")
MHA_AXES = ([b"2"], [b"3"], [b"4"])  # ITK writes further lengths beyond the end of its memory


def require_itk(path: str | Path) -> None:
    """
    Check that ITK is installed.

    Raises:
        ImportError: Saying how to install it.
    """
    if find_spec("itk") is None:
        raise ImportError(f"{path} needs ITK. Run: pip install itk-io")


def itk_shape(path: str | Path) -> tuple[int, ...]:
    """The length of each axis by the header; a message of an error goes on from the file's name."""
    if suffix_of(path) in (".nrrd", ".mha"):
        _require_sound_text(path)
    reader = _reader(path)
    return tuple(int(reader.GetDimensions(axis)) for axis in range(reader.GetNumberOfDimensions()))


class Grid(NamedTuple):
    """Where a file's pixels lie: the length of each axis, and its origin, spacing and direction in millimeters."""

    size: tuple[int, ...]
    origin: list[float]
    spacing: list[float]
    direction: npt.NDArray[np.float64]


def itk_grid(path: str | Path) -> Grid:
    """The grid of a file that can be read."""
    reader = _reader(path)
    axes = range(reader.GetNumberOfDimensions())
    return Grid(
        tuple(int(reader.GetDimensions(axis)) for axis in axes),
        [float(reader.GetOrigin(axis)) for axis in axes],
        [float(reader.GetSpacing(axis)) for axis in axes],
        np.array([reader.GetDirection(axis) for axis in axes], dtype=np.float64).T,
    )


def grid_of(size: Sequence[int], affine: npt.NDArray[np.float64]) -> Grid:
    """
    The grid that an affine (4, 4) of MONAI's coordinates says, with a third axis where the plane needs one.

    Example:
        >>> grid_of((40, 30), np.diag([-0.1, -0.2, 1, 1])).spacing
        [0.1, 0.2]
    """
    to_itk = np.diag([-1.0, -1, 1, 1]) @ affine
    is_flat = len(size) == 2 and abs(np.linalg.det(to_itk[:2, :2])) > TINY
    axes = 2 if is_flat else 3
    columns = to_itk[:axes, :axes]
    spacing = np.linalg.norm(columns, axis=0)
    return Grid(
        (*size, 1)[:axes] if len(size) == 2 else tuple(size),
        to_itk[:axes, 3].tolist(),
        spacing.tolist(),
        columns / spacing,
    )


def write_itk(values: npt.NDArray[Any], grid: Grid, path: str | Path) -> None:
    """Write an array, in MONAI's index order and of the grid's axes, as a NRRD file."""
    import itk

    image = itk.image_view_from_array(np.ascontiguousarray(values.T))
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    image.SetDirection(itk.matrix_from_array(grid.direction))
    itk.imwrite(image, str(path))


def itk_image(path: str | Path) -> Any:
    """The image as ITK's object, for ``monai.data.ITKReader.get_data``; errors as in ``itk_shape``."""
    import itk

    reader = _reader(path)
    axes, channels = reader.GetNumberOfDimensions(), reader.GetNumberOfComponents()
    kind = reader.GetComponentTypeAsString(reader.GetComponentType())
    if axes not in (2, 3):
        raise UnsuitableError(f"has {axes} axes; an image has 2, a volume 3. Save each part alone.")
    if channels == 1:
        pixel = getattr(itk, PIXELS.get(kind, "F"))
    elif channels in (3, 4) and kind == "unsigned_char":
        pixel = (itk.RGBPixel if channels == 3 else itk.RGBAPixel)[itk.UC]
    else:
        raise UnsuitableError(
            f"has {channels} channels of the type {kind}. Export it as gray, or as RGB or RGBA of 8 bits."
        )
    files = itk.ImageFileReader[itk.Image[pixel, axes]].New(FileName=str(path), ImageIO=reader)
    files.Update()
    return files.GetOutput()


def _reader(path: str | Path) -> Any:
    import itk

    reader = getattr(itk, READERS[format_of(path)]).New()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def _require_sound_text(path: str | Path) -> None:
    """Refuse text headers that name another file of this computer for the pixels, or that ITK's reader crashes on."""
    with Path(path).open("rb") as stream:
        text = stream.read(TEXT_HEADER)
    is_mha = suffix_of(path) == ".mha"
    header = re.split(rb"^ElementDataFile\s*=\s*LOCAL\s*$" if is_mha else rb"\r?\n\r?\n", text, maxsplit=1, flags=re.M)[
        0
    ]
    if re.search(rb"^data ?file:|^ElementDataFile\b", header, re.M | re.I):
        raise UnsuitableError("takes its pixels from another file. Save header and pixels in one.")
    if is_mha and not (
        MHA_TEXT.fullmatch(header) and re.findall(rb"^NDims\b\s*=\s*(.*?)\s*$", header, re.M) in MHA_AXES
    ):
        raise ValueError("its header is damaged")
