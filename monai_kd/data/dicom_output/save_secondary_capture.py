# SPDX-License-Identifier: Apache-2.0
"""Pictures of DICOM images with the contours of their masks, as DICOM."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.config import KeysCollection
from monai.data import MetaTensor

from monai_kd.data.datasets.save_overlay import SaveOverlayd
from monai_kd.data.dicom_output.elements import coded, instance, new_uid, reference
from monai_kd.data.dicom_output.source import frames_of, highdicom, read_source
from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["SaveSecondaryCaptured"]

CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
DERIVED = ("113076", "DCM", "Segmentation")
SOURCE = ("121322", "DCM", "Source image for image processing operation")


class SaveSecondaryCaptured(SaveOverlayd):
    """
    Write a picture of each DICOM image with the contour of its mask, as a DICOM Secondary Capture:
    ``<output_dir>/<image's id>.dcm``.

    It refers to the image by its UIDs. The pictures of a loop's frames are one series. It needs highdicom:
    ``pip install 'monai_kd[dicom]'``.

    Args:
        keys: as in ``SaveOverlayd``.
        output_dir: folder of the pictures; made if missing.
        image_key: as in ``SaveOverlayd``.

    Raises:
        ImportError: When highdicom is not installed.
        ValueError: When the mask is not 2D, its image is no DICOM or lacks UIDs, or the folder cannot be written to.

    Example:
        >>> SaveSecondaryCaptured("pred", "masks/overlays").keys
        ('pred',)
    """

    def __init__(self, keys: KeysCollection, output_dir: str | PathLike[str], image_key: str = "original") -> None:
        highdicom()
        super().__init__(keys, output_dir, image_key)
        self._series = ("", "")  # the last image, and the series of its pictures

    def write(self, picture: npt.NDArray[np.uint8], mask: MetaTensor) -> None:
        """As in ``SaveOverlayd``, in DICOM."""
        source = read_source(Path(str(mask.meta["filename_or_obj"])))
        frame = int(mask.meta.get("frame", 0)) if frames_of(source) > 1 else None
        if self._series[0] != source.SOPInstanceUID:
            self._series = (str(source.SOPInstanceUID), new_uid())
        made = _capture(source, self._series[1], picture, frame)
        with atomic_write(self.output_dir / f"{mask_name(mask)}.dcm") as temporary:
            made.save_as(temporary)


def _capture(source: Any, series: str, picture: npt.NDArray[np.uint8], frame: int | None) -> Any:
    made = instance(source, CAPTURES, "OT", series, "Contours by monai_kd", 1 if frame is None else frame + 1)
    made.ConversionType = "WSD"  # workstation
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.PatientOrientation, made.Laterality = source.get("PatientOrientation"), source.get("Laterality")
    made.DerivationDescription = "The contour of a mask that a network made. For research only."
    made.DerivationCodeSequence = [coded(DERIVED)]
    made.SourceImageSequence = [reference(source, frame)]
    made.SourceImageSequence[0].PurposeOfReferenceCodeSequence = [coded(SOURCE)]
    made.Rows, made.Columns, made.SamplesPerPixel = picture.shape
    made.PhotometricInterpretation, made.PlanarConfiguration, made.PixelRepresentation = "RGB", 0, 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.BurnedInAnnotation = source.get("BurnedInAnnotation") or "YES"  # a console's text may name the patient
    pixels = picture.tobytes()
    made.PixelData = pixels + bytes(len(pixels) % 2)
    return made
