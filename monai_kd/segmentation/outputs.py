# SPDX-License-Identifier: Apache-2.0
"""The files that a segmentation writes, and the overlays of the inference that write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.data import MetaTensor

from monai_kd.data.dicom_output.image_segmentation import segmentation_name
from monai_kd.data.dicom_output.source import highdicom
from monai_kd.data.image_files.formats import format_of, mask_suffix
from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.messages import first_few

__all__ = ["MASKS", "PICTURES", "Outputs"]

MASKS = ("image", "dicom-seg")
PICTURES = ("png", "dicom-sc")


@dataclass(frozen=True)
class Outputs:
    """
    What is written.

    Args:
        folder: of the masks; pictures are in its folder ``overlays``.
        dicom_masks: whether masks are DICOM Segmentations, otherwise each has a format that fits its image.
        dicom_pictures: whether pictures are DICOM Secondary Captures, otherwise PNG.
        smooth_frames: number of frames over which logits are averaged.
    """

    folder: Path
    dicom_masks: bool
    dicom_pictures: bool
    smooth_frames: int

    @classmethod
    def of(cls, folder: Path, mask_format: str, picture_format: str, smooth_frames: int) -> Outputs:
        """Check what a user asked for; a ValueError names what is unknown."""
        for name, value, known in (("mask", mask_format, MASKS), ("picture", picture_format, PICTURES)):
            if value not in known:
                raise ValueError(f"{name}_format is {value!r}. Choose one of {', '.join(known)}.")
        if smooth_frames < 1:
            raise ValueError(f"smooth_frames must be at least 1, got {smooth_frames}. 1 does not average.")
        return cls(folder, mask_format == MASKS[1], picture_format == PICTURES[1], smooth_frames)

    @property
    def overlays(self) -> list[str]:
        """The overlays of the bundle's inference, by name."""
        wanted = {
            "dicom_segmentation": self.dicom_masks,
            "dicom_pictures": self.dicom_pictures,
            "smooth_frames": self.smooth_frames > 1,
        }
        return [name for name, is_wanted in wanted.items() if is_wanted]

    @property
    def settings(self) -> dict[str, Any]:
        """The ids of these overlays, with their values."""
        smoothed = {"smooth_frames": self.smooth_frames} if self.smooth_frames > 1 else {}
        return {**smoothed, **({"dicom_segmentation#parameters": smoothed} if self.dicom_masks and smoothed else {})}

    def require_fitting(self, images: Iterable[Path]) -> None:
        """
        Check that DICOM can be written of these images.

        Raises:
            ImportError: When highdicom is not installed.
            ValueError: When there are images that are no DICOM, to which a DICOM result cannot refer.
        """
        if not self.dicom_masks and not self.dicom_pictures:
            return
        highdicom()
        others = [path for path in images if (found := format_of(path)) is None or found.name != "DICOM"]
        if others:
            option = "mask_format" if self.dicom_masks else "picture_format"
            raise ValueError(
                f"A DICOM result names the UIDs of its image, but {len(others)} images are no DICOM: "
                f"{first_few(others)}. Segment them apart, without {option}."
            )

    def mask_file(self, mask: MetaTensor) -> Path:
        """The file of a mask, or of all masks of its loop."""
        if self.dicom_masks:
            return self.folder / segmentation_name(mask)
        return self.folder / f"{mask_name(mask)}{mask_suffix(str(mask.meta['filename_or_obj']))}"

    def picture_file(self, mask: MetaTensor) -> Path:
        """The file of the picture of a mask's image."""
        return self.folder / "overlays" / f"{mask_name(mask)}{'.dcm' if self.dicom_pictures else '.png'}"
