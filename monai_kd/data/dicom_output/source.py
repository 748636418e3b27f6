# SPDX-License-Identifier: Apache-2.0
"""The header of the DICOM image that a result refers to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_kd.data.image_files.formats import format_of

__all__ = ["RequireDicomSourced", "frames_of", "highdicom", "read_source", "spacing_of"]

NAMES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
PLACE = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
PLACED = {  # storage classes whose images always have a place in the patient
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
}
CENTIMETERS, TISSUE_2D = 3, 1  # PS3.3 C.8.5.5


def highdicom() -> Any:
    """
    The package highdicom.

    Raises:
        ImportError: When it is not installed.
    """
    try:
        import highdicom.seg
    except ImportError as error:
        raise ImportError(
            f"DICOM output needs highdicom ({error}). Install it: pip install 'monai_kd[dicom]'."
        ) from None
    return highdicom


def read_source(path: Path) -> Any:
    """
    A DICOM image's header without its pixels, as a pydicom ``Dataset``.

    Raises:
        ImportError: When highdicom is not installed.
        ValueError: When the file is no DICOM image, or lacks what a result has to refer to.
    """
    highdicom()
    from pydicom import dcmread

    found = format_of(path)
    if found is None or found.name != "DICOM":
        raise ValueError(
            f"{path} is no DICOM file, and a DICOM result names the UIDs of its image. Write the mask in the image's "
            "own format."
        )
    source = dcmread(path, stop_before_pixels=True)
    needed = NAMES + (PLACE if source.get("SOPClassUID") in PLACED else ())
    missing = [name for name in needed if not source.get(name)]
    if missing:
        raise ValueError(
            f"{path} has no {', '.join(missing)}, to which a DICOM result refers. Export the image again from the "
            "archive, or write the mask in the image's own format."
        )
    return source


class RequireDicomSourced(MapTransform):
    """
    Refuse an image to which a DICOM result could not refer, before a network runs on it.

    Args:
        keys: of images with the metadata of ``LoadUltrasoundd``.

    Raises:
        ValueError: At the call, as :func:`read_source`.

    Example:
        >>> RequireDicomSourced("image").keys
        ('image',)
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: with the images; it is returned as it is.
        """
        for key in self.key_iterator(data):
            read_source(Path(str(data[key].meta["filename_or_obj"])))
        return dict(data)


def frames_of(source: Any) -> int:
    """The number of frames; 1 for a still image."""
    return int(source.get("NumberOfFrames") or 1)


def spacing_of(source: Any) -> list[float] | None:
    """
    The distance of rows and of columns in mm; None if the file does not say it.

    Ultrasound machines write it for each region of the picture. It is used if all regions of 2D tissue agree.
    """
    if spacing := source.get("PixelSpacing"):
        return [float(value) for value in spacing]
    regions = [
        region
        for region in source.get("SequenceOfUltrasoundRegions", [])
        if region.get("RegionSpatialFormat") == TISSUE_2D and region.get("RegionDataType") == TISSUE_2D
    ]
    units = {region.get(f"PhysicalUnits{axis}Direction") for region in regions for axis in "XY"}
    found = {tuple(abs(float(region.get(f"PhysicalDelta{axis}", 0))) * 10 for axis in "YX") for region in regions}
    if units != {CENTIMETERS} or len(found) != 1:
        return None
    spacing = list(found.pop())
    return spacing if all(spacing) else None
