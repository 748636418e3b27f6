# SPDX-License-Identifier: Apache-2.0
"""What viewers apply to an image file's values when they show it, and reading does not."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.image_files.dicom.display import not_applied
from monai_kd.data.image_files.dicom.header import read_dicom_header
from monai_kd.data.image_files.file_errors import naming
from monai_kd.data.image_files.formats import DICOM_SUFFIXES, RASTER_SUFFIXES, format_of
from monai_kd.data.image_files.pictures import open_picture

USUAL_GAMMA = 1 / 2.2
SLACK = 0.05


def display_settings(path: str | Path) -> str:
    """
    The settings of a file that are not applied, in words; empty if its values are those of the shown picture.

    DICOM: a VOI window that does not show all values, a VOI LUT, a modality LUT. PNG: a gamma that is not the usual
    one of screens.

    Args:
        path: of a file that can be read.

    Raises:
        ValueError: When it cannot.

    Example:
        >>> from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3)).save(Path(folder, "1.png"))
        ...     display_settings(Path(folder, "1.png"))
        ''
    """
    kind = format_of(path)
    with naming(path):
        if kind in DICOM_SUFFIXES:
            return not_applied(read_dicom_header(path))
        if kind in RASTER_SUFFIXES:
            with open_picture(path) as image:
                gamma = image.info.get("gamma")
                is_usual = gamma is None or "srgb" in image.info or abs(gamma - USUAL_GAMMA) < SLACK
                return "" if is_usual else f"a gamma of {gamma:.3g}"
    return ""
