# SPDX-License-Identifier: Apache-2.0
"""A DICOM Segmentation of an image or a cine loop (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_kd.data.dicom_output.elements import coded, instance, item, new_uid, reference
from monai_kd.data.dicom_output.frame_masks import FrameMasks
from monai_kd.data.dicom_output.segments import Segment
from monai_kd.data.dicom_output.source import PLACE, frames_of, highdicom, spacing_of
from monai_kd.version import __version__

__all__ = ["make_segmentation"]

SEGMENTATIONS = "1.2.840.10008.5.1.4.1.1.66.4"
DERIVED = ("113076", "DCM", "Segmentation")
SOURCE = ("121322", "DCM", "Source image for image processing operation")
THICKNESS = 1.0  # mm, of an image that says none: readers need a number, and ITK assumes this one
LEARNED = ("123109", "DCM", "Artificial Intelligence")


def make_segmentation(
    source: Any, masks: FrameMasks, segments: Sequence[Segment], weights: str, parameters: Mapping[str, Any]
) -> Any:
    """
    A Segmentation that refers to its image frame by frame, as a pydicom ``Dataset``.

    It has the place and the spacing of the image, if the image says them. highdicom's own class takes no loop without a
    place in space, and ultrasound has none; so its frames are described here.

    Args:
        source: header of the image, as from ``read_source``.
        masks: of the frames that could be segmented, numbered from 0.
        segments: what each class is.
        weights: SHA-256 of the network's weights.
        parameters: further settings of the algorithm.
    """
    made = instance(source, SEGMENTATIONS, "SEG", new_uid(), "Segmentation by monai_kd", weights=weights)
    if source.get("FrameOfReferenceUID"):
        made.FrameOfReferenceUID = source.FrameOfReferenceUID
        made.PositionReferenceIndicator = source.get("PositionReferenceIndicator")
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.Rows, made.Columns = masks.rows, masks.columns
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = 0
    made.SegmentationType = "BINARY"
    made.LossyImageCompression = source.get("LossyImageCompression") or "00"
    for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if made.LossyImageCompression == "01" and name in source:
            setattr(made, name, source[name].value)
    made.ContentLabel, made.ContentCreatorName = "SEGMENTATION", None
    made.ContentDescription = "Made by a network. For research only."
    made.SegmentSequence = [
        _described(number, segment, weights, parameters) for number, segment in enumerate(segments, 1)
    ]
    made.ReferencedSeriesSequence = [item(SeriesInstanceUID=source.SeriesInstanceUID)]
    made.ReferencedSeriesSequence[0].ReferencedInstanceSequence = [reference(source)]
    _add_frames(made, source, masks)
    made.PixelData = masks.pixels()
    return made


def _described(number: int, segment: Segment, weights: str, parameters: Mapping[str, Any]) -> Any:
    hd = highdicom()
    algorithm = hd.AlgorithmIdentificationSequence(
        name="monai_kd",
        family=coded(LEARNED),
        version=__version__,
        source="monai_kd",
        parameters={"weights_sha256": weights, **{name: str(value) for name, value in parameters.items()}},
    )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=coded(segment.category),
        segmented_property_type=coded(segment.type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        anatomic_regions=None if segment.region is None else [coded(segment.region)],
    )


def _add_frames(made: Any, source: Any, masks: FrameMasks) -> None:
    """The functional groups: what each frame shows, of which frame of the source, and where."""
    from pydicom.valuerep import DSfloat

    is_loop = frames_of(source) > 1
    has_place = all(source.get(name) for name in PLACE)
    shared = item()
    if spacing := spacing_of(source):
        shared.PixelMeasuresSequence = [item(PixelSpacing=[DSfloat(value, auto_format=True) for value in spacing])]
        shared.PixelMeasuresSequence[0].SliceThickness = source.get("SliceThickness") or THICKNESS
    if has_place:
        shared.PlaneOrientationSequence = [item(ImageOrientationPatient=source.ImageOrientationPatient)]
        shared.PlanePositionSequence = [item(ImagePositionPatient=source.ImagePositionPatient)]
    else:
        made.PatientOrientation = source.get("PatientOrientation")
    made.SharedFunctionalGroupsSequence = [shared]
    frames = sorted(masks.bits)
    made.PerFrameFunctionalGroupsSequence = [
        _frame(source, number, frame if is_loop else None) for number in range(1, masks.classes + 1) for frame in frames
    ]
    made.NumberOfFrames = len(made.PerFrameFunctionalGroupsSequence)
    _add_dimensions(made, is_loop)


def _frame(source: Any, segment: int, frame: int | None) -> Any:
    content, of = item(DimensionIndexValues=[segment]), reference(source, frame)
    if frame is not None:
        content = item(TemporalPositionIndex=frame + 1, DimensionIndexValues=[segment, frame + 1])
    of.PurposeOfReferenceCodeSequence = [coded(SOURCE)]
    of.SpatialLocationsPreserved = "YES"
    derivation = item(DerivationCodeSequence=[coded(DERIVED)], SourceImageSequence=[of])
    return item(
        FrameContentSequence=[content],
        DerivationImageSequence=[derivation],
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
    )


def _add_dimensions(made: Any, is_loop: bool) -> None:
    """The order of the frames: by segment, then by time."""
    from pydicom.datadict import tag_for_keyword

    organization = new_uid()
    pointers = {"ReferencedSegmentNumber": "SegmentIdentificationSequence"}
    if is_loop:
        pointers["TemporalPositionIndex"] = "FrameContentSequence"
    made.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organization)]
    made.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=tag_for_keyword(name),
            FunctionalGroupPointer=tag_for_keyword(group),
            DimensionDescriptionLabel=name,
        )
        for name, group in pointers.items()
    ]
