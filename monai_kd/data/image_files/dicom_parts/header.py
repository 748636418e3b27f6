# SPDX-License-Identifier: Apache-2.0
"""The header of a DICOM file. ITK would read a whole loop for it, and would trust damaged files."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from monai_kd.data.image_files.dicom_parts.transfer_syntax import require_read
from monai_kd.data.image_files.image_format import NoImageError

IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
UNCOMPRESSED = {IMPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1"}
VOLUMES = {  # storage classes whose frames are slices in space, not moments in time
    "1.2.840.10008.5.1.4.1.1.6.2",  # enhanced ultrasound volume
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
    "1.2.840.10008.5.1.4.1.1.13.1.3",  # breast tomosynthesis
}
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SHORT = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
SHORT |= {b"ST", b"TM", b"UI", b"UL", b"US"}
SEGMENTATIONS = {f"1.2.840.10008.5.1.4.1.1.66.{kind}" for kind in (4, 7)}  # bits or fractions, label maps
UNDEFINED = 0xFFFFFFFF
SYNTAX, STORAGE, PATIENT, PIXELS = 0x00020010, 0x00080016, 0x00100020, 0x7FE00010
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS, BITS = (0x00280000 + n for n in (0x02, 0x04, 0x08, 0x10, 0x11, 0x100))
BITS_STORED, SIGN, CENTER, WIDTH, INTERCEPT, SLOPE = (0x00280000 + n for n in (0x101, 0x103, *range(0x1050, 0x1054)))
MODALITY_LUT, VOI_LUT, SHAPE = 0x00283000, 0x00283010, 0x20500020
NUMBERS = {SAMPLES, ROWS, COLUMNS, BITS, BITS_STORED, SIGN}
TEXTS = {SYNTAX, STORAGE, PATIENT, PHOTOMETRIC, FRAMES, CENTER, WIDTH, INTERCEPT, SLOPE, SHAPE}
TABLES = {MODALITY_LUT, VOI_LUT}
DISPLAY = {BITS_STORED, SIGN, CENTER, WIDTH, INTERCEPT, SLOPE, SHAPE, *TABLES}
SEGMENT_NUMBER = 0x00620004  # in the items of the segments, which are in order
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONGEST_TEXT = 1024


@dataclass(frozen=True)
class DicomHeader:
    """
    The size, number of frames and patient of a DICOM image, and how to show it.

    Args:
        frames: 1 for a still image.
        is_volume: whether the frames are slices of a volume.
        patient: the Patient ID, or empty.
        channels: number of channels of a pixel.
        photometric: the meaning of the pixels: MONOCHROME2, RGB, …
        photometric_place: start and length of that text in the file.
        pictures: start and length of each compressed picture, or part of one.
        display: other settings for showing the pixels, by their tags.
        pixels: start and length of the pixels.
        segments: number of segments of a segmentation; 0 for an image.
    """

    width: int
    height: int
    frames: int
    is_volume: bool
    patient: str
    channels: int = 1
    photometric: str = ""
    photometric_place: tuple[int, int] = (0, 0)
    pictures: tuple[tuple[int, int], ...] = ()
    display: Mapping[int, str | int] = field(default_factory=dict)
    pixels: tuple[int, int] = (0, 0)
    segments: int = 0


def read_dicom_header(path: str | Path) -> DicomHeader:
    """
    Read a DICOM file's header without decoding its pixels, and check that the file is complete.

    Encoding: DICOM PS3.5, chapters 7 and 10.

    Raises:
        ValueError: When the file is not a DICOM image, or its pixels are cut off.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            raise ValueError("it is not a DICOM file")
        try:
            found, length, places = _elements(stream, size)
        except struct.error as error:
            raise ValueError("the file is cut off") from error
    if not all(found.get(tag) for tag in (ROWS, COLUMNS, BITS)) or length is None:
        raise NoImageError("it is a DICOM file without an image")
    width, height, samples = int(found[COLUMNS]), int(found[ROWS]), int(found.get(SAMPLES, 1))
    text = str(found.get(FRAMES, "")) or "1"
    frames = int(text) if text.isascii() and text.isdigit() else 0
    if frames < 1:
        raise ValueError(f"its number of frames is {text!r}")
    if found.get(SYNTAX) in UNCOMPRESSED and length != UNDEFINED:
        # With chroma subsampling (4:2:2), a pixel takes two samples instead of three.
        samples = 2 if str(found.get(PHOTOMETRIC)).endswith("422") else samples
        needed = (width * height * frames * samples * int(found[BITS]) + 7) // 8
        if length < needed:
            raise ValueError(f"it holds {length} bytes of pixels, but its header says {needed}")
    storage, patient = str(found.get(STORAGE, "")), str(found.get(PATIENT, ""))
    return DicomHeader(
        width,
        height,
        frames,
        storage in VOLUMES,
        patient,
        int(found.get(SAMPLES, 1)),
        str(found.get(PHOTOMETRIC, "")),
        places.get(PHOTOMETRIC, (0, 0)),
        tuple(places[tag] for tag in places if tag < 0)[1:],  # the first holds the offsets of the others
        {tag: value for tag, value in found.items() if tag in DISPLAY},
        places[PIXELS],
        int(found.get(SEGMENT_NUMBER, 1)) if storage in SEGMENTATIONS else 0,
    )


@dataclass
class _Level:
    """The data set, sequence or item being read: where it ends, and how its elements are encoded."""

    end: int
    implicit: bool = False
    is_raw: bool = False
    is_pixels: bool = False


def _elements(stream: BinaryIO, size: int) -> tuple[dict[int, str | int], int | None, dict[int, tuple[int, int]]]:
    """
    The outermost elements of ``NUMBERS`` and ``TEXTS``, the length of the pixels, and positions in the file.

    Positions are those of texts, by their tags, and of compressed pictures, by -1, -2 and so on. All lengths in the
    file are checked, because ITK would allocate as much memory as any of them claims.
    """
    found: dict[int, str | int] = {}
    places: dict[int, tuple[int, int]] = {}
    pixels = None
    order, levels, body = "<", [_Level(size)], False
    while (place := stream.tell()) < size:
        while len(levels) > 1 and place >= levels[-1].end:
            levels.pop()
        start = stream.read(4)
        if not body and struct.unpack("<H", start[:2])[0] != 0x0002:  # group 2 is always explicit and little-endian
            body, order, levels[0].implicit = True, *_written(str(found.get(SYNTAX, "")))
        group, element = struct.unpack(order + "HH", start)
        tag, inner = group << 16 | element, levels[-1]
        kind, length = _type_and_length(stream, order, inner.implicit or group == 0xFFFE)
        end = inner.end if length == UNDEFINED else stream.tell() + length
        if end > inner.end:
            raise ValueError("the file is cut off, or an element in it is longer than the file")
        if tag == PIXELS and len(levels) == 1:
            pixels, places[PIXELS] = length, (stream.tell(), length)
        if tag in TABLES and len(levels) == 1:
            found[tag] = 1
        if tag == ITEM and inner.is_pixels:
            places[-1 - len(places)] = stream.tell(), length
        if tag in (ITEM_END, SEQUENCE_END):
            levels = levels[:-1] or levels
        elif (tag == ITEM and not inner.is_raw) or kind == b"SQ" or length == UNDEFINED:
            is_raw = tag == PIXELS or kind in (b"OB", b"OW")
            is_pixels = tag == PIXELS and len(levels) == 1
            levels.append(_Level(end, inner.implicit or kind == b"UN", is_raw, is_pixels))
        elif ((len(levels) == 1 and tag in NUMBERS) or tag == SEGMENT_NUMBER) and length == 2:
            found[tag] = struct.unpack(order + "H", stream.read(2))[0]
        elif len(levels) == 1 and tag in TEXTS and length <= LONGEST_TEXT:
            places[tag] = stream.tell(), length
            found[tag] = stream.read(length).decode("latin-1").strip(" \0")
        else:
            stream.seek(end)
    return found, pixels, places


def _written(syntax: str) -> tuple[str, bool]:
    """A transfer syntax's byte order, and whether its elements lack their type."""
    require_read(syntax)
    return ">" if syntax == BIG_ENDIAN else "<", syntax == IMPLICIT


def _type_and_length(stream: BinaryIO, order: str, implicit: bool) -> tuple[bytes, int]:
    if implicit:
        return b"", struct.unpack(order + "I", stream.read(4))[0]
    kind = stream.read(2)
    if kind in LONG:
        return kind, struct.unpack(order + "xxI", stream.read(6))[0]
    if kind not in SHORT:
        raise ValueError(f"an element in it has the unknown type {kind!r}")
    return kind, struct.unpack(order + "H", stream.read(2))[0]
