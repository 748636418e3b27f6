# SPDX-License-Identifier: Apache-2.0
"""Display settings in a DICOM header (PS3.3 C.11): which are applied, and which are only reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.data.image_files.dicom_parts.header import (
    BITS_STORED,
    CENTER,
    INTERCEPT,
    MODALITY_LUT,
    SHAPE,
    SIGN,
    SLOPE,
    VOI_LUT,
    WIDTH,
    DicomHeader,
)

Values = npt.NDArray[Any]

SLACK = 0.01  # share of the range by which a window that shows all values may miss its ends


def apply_presentation_shape(values: Values, header: DicomHeader) -> Values:
    """
    Invert decoded values if the Presentation LUT Shape asks for it; ITK has applied MONOCHROME1 and the rescaling
    already.
    """
    # With MONOCHROME1, the shape INVERSE only repeats it.
    if header.photometric != "MONOCHROME2" or header.display.get(SHAPE) != "INVERSE":
        return values
    low, high = _range(header)
    return low + high - values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def unapplied_display_steps(header: DicomHeader) -> str:
    """Display settings that viewers apply but reading does not, in words; empty if there are none."""
    found = [name for tag, name in ((MODALITY_LUT, "a modality LUT"), (VOI_LUT, "a VOI LUT")) if tag in header.display]
    center, width = (_number(header, tag, None) for tag in (CENTER, WIDTH))
    if center is not None and width is not None and not _shows_all(center, width, _range(header)):
        found.append(f"a VOI window (center {center:g}, width {width:g})")
    return " and ".join(found)


def _shows_all(center: float, width: float, span: tuple[float, float]) -> bool:
    slack = max(1.0, SLACK * (span[1] - span[0]))
    return abs(center - width / 2 - span[0]) <= slack and abs(center + width / 2 - span[1]) <= slack


def _range(header: DicomHeader) -> tuple[Any, Any]:
    """The smallest and largest value that the stored bits can hold, after rescaling."""
    bits = int(header.display.get(BITS_STORED, 8))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.display.get(SIGN) else (0, 2**bits - 1)
    slope, intercept = _number(header, SLOPE, 1.0), _number(header, INTERCEPT, 0.0)
    ends = sorted(end * slope + intercept for end in (low, high))
    return (int(ends[0]), int(ends[1])) if ends[0].is_integer() and ends[1].is_integer() else (ends[0], ends[1])


def _number(header: DicomHeader, tag: int, default: Any) -> Any:
    """The first of a tag's numbers."""
    try:
        return float(str(header.display[tag]).split("\\")[0])
    except (KeyError, ValueError):
        return default
