# SPDX-License-Identifier: Apache-2.0
"""What a class of a mask means, in codes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LESION", "Segment"]

Code = tuple[str, str, str]


@dataclass(frozen=True)
class Segment:
    """
    A class of a mask, for a DICOM Segmentation.

    Each code is a triple: value, coding scheme, meaning.

    Args:
        label: name that viewers show.
        category: of the DICOM context group 7150, such as ("49755003", "SCT", "Morphologically Abnormal Structure").
        type: what the class is, such as ("52988006", "SCT", "Lesion").
        region: the body part; None if it is not said.

    Example:
        >>> Segment("lesion", LESION.category, LESION.type).label
        'lesion'
    """

    label: str
    category: Code
    type: Code
    region: Code | None = None


LESION = Segment(
    "lesion",
    ("49755003", "SCT", "Morphologically Abnormal Structure"),
    ("52988006", "SCT", "Lesion"),
    ("76752008", "SCT", "Breast"),
)
"""A lesion of the breast, benign or malignant: what the shipped students segment."""
