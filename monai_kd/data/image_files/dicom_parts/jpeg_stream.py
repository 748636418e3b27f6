# SPDX-License-Identifier: Apache-2.0
"""The header of a JPEG, JPEG-LS or JPEG 2000 stream."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

RGB, YCBCR, UNTOLD = "RGB", "YCbCr", ""
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # markers of a frame; 0xF7 belongs to JPEG-LS
ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without content
START_OF_SCAN, JFIF, ADOBE = 0xDA, 0xE0, 0xEE
JPEG_2000 = b"\xff\x4f\xff\x51"
BOXES = 2**12  # bytes that may precede a JPEG 2000 stream


@dataclass(frozen=True)
class Stream:
    """A stream's header; ``colors`` is ``RGB`` or ``YCbCr`` if the stream itself says so, otherwise empty."""

    width: int
    height: int
    channels: int
    colors: str


def read_stream(content: bytes) -> Stream | None:
    """
    The header of a stream, given its first bytes; None if there is none.

    The colors of JPEG are determined as in libjpeg: JFIF means YCbCr, Adobe's marker names the colors, and components
    may be named RGB. In addition, subsampled colors mean YCbCr. JPEG 2000 with a color transform decodes to RGB.
    """
    try:
        place = content.find(JPEG_2000, 0, BOXES)
        return _jpeg(content) if content[:2] == b"\xff\xd8" else _jpeg_2000(content[place:]) if place >= 0 else None
    except (struct.error, IndexError):
        return None


def _segments(content: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Markers and their content, up to the pixels."""
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            return
        marker = content[place + 1]
        if marker == 0xFF or marker in ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack(">H", content[place + 2 : place + 4])[0]
        yield marker, content[place + 4 : place + 2 + length]
        place += 2 + length


def _jpeg(content: bytes) -> Stream | None:
    frame, said = b"", UNTOLD
    for marker, data in _segments(content, 2):
        if marker == START_OF_SCAN:
            break
        if marker in FRAMES:
            frame = data
        elif marker == JFIF and data.startswith(b"JFIF\0"):
            said = YCBCR
        elif marker == ADOBE and data.startswith(b"Adobe") and said == UNTOLD:
            said = YCBCR if data[11] else RGB
    if not frame:
        return None
    height, width, channels = struct.unpack(">HHB", frame[1:6])
    names, samples = frame[6 : 6 + 3 * channels : 3], frame[7 : 6 + 3 * channels : 3]
    if channels != 3:
        said = UNTOLD
    elif said == UNTOLD and names in (b"RGB", b"rgb"):
        said = RGB
    elif said == UNTOLD and len(set(samples)) > 1:
        said = YCBCR
    return Stream(width, height, channels, said)


def _jpeg_2000(content: bytes) -> Stream | None:
    found: Stream | None = None
    for marker, data in _segments(content, 2):
        if marker == 0x51:
            right, bottom, left, top = struct.unpack(">4I", data[2:18])
            found = Stream(right - left, bottom - top, struct.unpack(">H", data[34:36])[0], UNTOLD)
        elif marker == 0x52 and found:
            is_transformed = data[4] == 1 and found.channels >= 3
            return Stream(found.width, found.height, found.channels, RGB if is_transformed else UNTOLD)
    return found
