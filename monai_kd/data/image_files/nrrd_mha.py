# SPDX-License-Identifier: Apache-2.0
"""NRRD and MHA by ITK, each with its own reader, because ITK would otherwise try every format on a file."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ITKReader
from monai.data.utils import is_no_channel

from monai_kd.data.image_files.geometry import Grid, grid_of, on_axes
from monai_kd.data.image_files.image_format import (
    Decoded,
    Header,
    ImageFormat,
    UnsuitableError,
    Values,
    Write,
    of_whole,
)

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
}  # the types in itk-io; others are read as float
TEXT_HEADER = 2**16
MHA_TEXT = re.compile(rb"([\t -~]{0,1000}\r?\n)*")
MHA_AXES = ([b"2"], [b"3"], [b"4"])  # with other numbers of axes, ITK writes beyond its memory


def itk_values(path: Path, reader: str) -> Decoded:
    """
    A file's values in their own type; ``reader`` is ITK's class for the format.

    Raises:
        ImportError: When ITK is not installed.
        UnsuitableError: When its axes or channels are not those of an image.
    """
    itk, opened = _opened(path, reader)
    axes, channels = opened.GetNumberOfDimensions(), opened.GetNumberOfComponents()
    kind = opened.GetComponentTypeAsString(opened.GetComponentType())
    if axes not in (2, 3):
        raise UnsuitableError(f"has {axes} axes; an image has 2, a volume 3. Save each part apart.")
    if channels == 1:
        pixel = getattr(itk, PIXELS.get(kind, "F"))
    elif channels in (3, 4) and kind == "unsigned_char":
        pixel = (itk.RGBPixel if channels == 3 else itk.RGBAPixel)[itk.UC]
    else:
        raise UnsuitableError(
            f"has {channels} channels of the type {kind}. Export it as gray, or as RGB or RGBA of 8 bits."
        )
    files = itk.ImageFileReader[itk.Image[pixel, axes]].New(FileName=str(path), ImageIO=opened)
    files.Update()
    values, meta = ITKReader().get_data(files.GetOutput())
    return values, meta["affine"], not is_no_channel(meta["original_channel_dim"])


def itk_writer(reader: str) -> Write:
    """Make the function ``write`` of a format; ``reader`` is ITK's class for the files whose grids are used."""

    def write(values: Values, place: Values | Path, path: Path) -> None:
        grid = _grid_of_file(place, reader) if isinstance(place, Path) else grid_of(values.shape, place)
        itk = _itk(path)
        image = itk.image_view_from_array(np.ascontiguousarray(on_axes(values, grid.size).T))
        image.SetOrigin(grid.origin)
        image.SetSpacing(grid.spacing)
        image.SetDirection(itk.matrix_from_array(grid.direction))
        itk.imwrite(image, str(path))

    return write


def _grid_of_file(path: Path, reader: str) -> Grid:
    """Kept for the masks of a loop's frames: ITK reads all of a DICOM file for its header."""
    state = path.stat()
    return _grid(path, reader, (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=8)
def _grid(path: Path, reader: str, state: tuple[int, int]) -> Grid:
    _, opened = _opened(path, reader)
    axes = range(opened.GetNumberOfDimensions())
    return Grid(
        tuple(int(opened.GetDimensions(axis)) for axis in axes),
        [float(opened.GetOrigin(axis)) for axis in axes],
        [float(opened.GetSpacing(axis)) for axis in axes],
        np.array([opened.GetDirection(axis) for axis in axes], dtype=np.float64).T,
    )


def _itk(path: Path) -> Any:
    if find_spec("itk") is None:
        raise ImportError(f"{path} needs ITK. Run: pip install itk-io")
    import itk

    return itk


def _keep_working_folder() -> None:
    """
    Let ITK load its libraries from where the program is.

    ITK enters its own folder while it loads a library. This moves the whole process: a relative path that another
    thread opens meanwhile would be read or written there.
    """
    import itkConfig
    from itk.support import base

    if not hasattr(base, "LibraryLoader"):
        return  # another release of ITK, which loads in another way

    class Loader(base.LibraryLoader):
        def setup(self) -> None:
            self.old_path = sys.path
            sys.path = [itkConfig.swig_lib, itkConfig.swig_py, *sys.path]

        def cleanup(self) -> None:
            sys.path = self.old_path

    base.LibraryLoader = Loader


if find_spec("itk") is not None:
    _keep_working_folder()  # for MONAI's own ITKReader, too


def _opened(path: Path, reader: str) -> tuple[Any, Any]:
    """ITK, and its reader of a file after reading the header."""
    itk = _itk(path)
    opened = getattr(itk, reader).New()
    opened.SetFileName(str(path))
    opened.ReadImageInformation()
    return itk, opened


def _require_sound_text(path: Path, is_mha: bool) -> None:
    """Refuse text headers that take their pixels from another file, or that crash ITK's reader."""
    with path.open("rb") as stream:
        text = stream.read(TEXT_HEADER)
    end = rb"^ElementDataFile\s*=\s*LOCAL\s*$" if is_mha else rb"\r?\n\r?\n"
    header = re.split(end, text, maxsplit=1, flags=re.M)[0]
    if re.search(rb"^data ?file:|^ElementDataFile\b", header, re.M | re.I):
        raise UnsuitableError("takes its pixels from another file. Save header and pixels in one file.")
    if is_mha and not (
        MHA_TEXT.fullmatch(header) and re.findall(rb"^NDims\b\s*=\s*(.*?)\s*$", header, re.M) in MHA_AXES
    ):
        raise ValueError("its header is damaged")


def _made(name: str, reader: str) -> ImageFormat:
    def header(path: Path) -> Header:
        _require_sound_text(path, is_mha=name == "MHA")
        _, opened = _opened(path, reader)
        shape = tuple(int(opened.GetDimensions(axis)) for axis in range(opened.GetNumberOfDimensions()))
        return Header(shape, encoding=name)

    return ImageFormat(
        name=name,
        suffixes=(f".{name.lower()}",),
        header=header,
        pixels=of_whole(lambda path: itk_values(path, reader)),
        write=itk_writer(reader),
    )


NRRD = _made("NRRD", "NrrdImageIO")
MHA = _made("MHA", "MetaImageIO")
