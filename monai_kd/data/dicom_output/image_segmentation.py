# SPDX-License-Identifier: Apache-2.0
"""The segmentation file of one image, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
from monai.data import MetaTensor

from monai_kd.data.dicom_output.frame_masks import FrameMasks
from monai_kd.data.dicom_output.segmentation import SEGMENTATIONS, make_segmentation
from monai_kd.data.dicom_output.segments import Segment
from monai_kd.data.dicom_output.source import frames_of, read_source
from monai_kd.data.image_files.formats import frame_name
from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["ImageSegmentation", "segmentation_name"]


def segmentation_name(mask: MetaTensor) -> str:
    """The name of the file of a mask's segmentation: the image's id, without the number of a loop's frame."""
    name, frame = mask_name(mask), int(mask.meta.get("frame", -1))
    return f"{name if frame < 0 else name.removesuffix(frame_name('', frame))}.dcm"


class ImageSegmentation:
    """
    Collects the masks of an image's frames, and writes them as one DICOM Segmentation.

    Args:
        image: a DICOM file.
        file: to write. An earlier segmentation of the same image is replaced, any other file is kept.
        segments: what the classes 1, 2, … of a mask are.

    Raises:
        ImportError: When highdicom is not installed.
        ValueError: When the image is no DICOM, lacks what a segmentation refers to, or another file has this name.
    """

    def __init__(self, image: Path, file: Path, segments: Sequence[Segment]) -> None:
        self.image, self.file, self.segments = image, file, segments
        self.source = read_source(image)
        self.masks = FrameMasks(int(self.source.Rows), int(self.source.Columns), len(segments))
        self.names: list[str] = []
        _require_replaceable(file, self.source)

    def add(self, name: str, frame: int, mask: npt.NDArray[Any]) -> None:
        """
        Keep the mask of a frame until the file is written.

        Args:
            name: id of the frame, for messages.
            frame: its number, from 0; 0 for a still image.
            mask: whole numbers, shape (W, H) with axes of length 1 anywhere.

        Raises:
            ValueError: When the mask has another size or other classes.
        """
        flat = tuple(side for side in mask.shape if side > 1)
        size = (self.masks.columns, self.masks.rows)
        self.masks.add(frame, mask.reshape(size) if flat == tuple(side for side in size if side > 1) else mask)
        self.names.append(name)

    @property
    def is_complete(self) -> bool:
        """Whether all frames of the image have a mask."""
        return len(self.masks.bits) == frames_of(self.source)

    def write(self, weights: str, parameters: Mapping[str, Any]) -> None:
        """
        Write the file in one step.

        Args:
            weights: SHA-256 of the network's weights.
            parameters: further settings of the algorithm, by name.
        """
        made = make_segmentation(self.source, self.masks, self.segments, weights, parameters)
        with atomic_write(self.file) as temporary:
            made.save_as(temporary)


def _require_replaceable(file: Path, source: Any) -> None:
    """Refuse to replace a file that is no segmentation of this image."""
    if not file.exists():
        return
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        there = dcmread(file, stop_before_pixels=True)
        series = there.ReferencedSeriesSequence[0] if there.get("SOPClassUID") == SEGMENTATIONS else None
        if series and series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID:
            return
    except (OSError, InvalidDicomError, AttributeError, IndexError):
        pass
    raise ValueError(f"'{file}' exists, and is no segmentation of this image. Choose another output_dir.")
