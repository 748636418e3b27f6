# SPDX-License-Identifier: Apache-2.0
"""DICOM: the header by our own reader, which checks the whole file, and the pixels by ITK."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.image_files.dicom_parts.display import apply_presentation_shape, unapplied_display_steps
from monai_kd.data.image_files.dicom_parts.header import read_dicom_header
from monai_kd.data.image_files.dicom_parts.segmentation import segmentation_values
from monai_kd.data.image_files.dicom_parts.stream_colors import file_with_true_colors
from monai_kd.data.image_files.geometry import PICTURE
from monai_kd.data.image_files.image_format import Decoded, Header, ImageFormat, of_whole
from monai_kd.data.image_files.nrrd_mha import itk_values, itk_writer

START = b"DICM"  # after 128 bytes without meaning
READER = "GDCMImageIO"


def _recognise(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(128 + len(START))[128:] == START
    except OSError:  # a folder, or a file without permission
        return False


def _header(path: Path) -> Header:
    dicom = read_dicom_header(path)
    shape = (dicom.width, dicom.height, dicom.frames)
    is_loop = dicom.frames > 1 and not dicom.is_volume
    display = unapplied_display_steps(dicom)
    return Header(shape, is_loop, dicom.patient, display, "DICOM", is_mask=dicom.segments > 0)


def _decode(path: Path) -> Decoded:
    header = read_dicom_header(path)
    if header.segments:  # each of its pixels lies on one of the image's, so it needs no place of its own
        return segmentation_values(path, header), PICTURE, False
    with file_with_true_colors(path, header) as readable:
        values, affine, has_channels = itk_values(readable, READER)
    return apply_presentation_shape(values, header), affine, has_channels


DICOM = ImageFormat(
    name="DICOM",
    suffixes=(".dcm", ".dicom", ".ima"),
    recognise=_recognise,
    header=_header,
    pixels=of_whole(_decode),
    write=itk_writer(READER),
    tells_frames=True,
)
