# SPDX-License-Identifier: Apache-2.0
"""Compressed DICOM whose header contradicts its streams: the stream is believed in its colors, else refused."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_kd.data.image_files.dicom_parts.header import DicomHeader
from monai_kd.data.image_files.dicom_parts.jpeg_stream import RGB, YCBCR, Stream, read_stream
from monai_kd.data.image_files.image_format import UnsuitableError

HEAD = 2**20  # bytes of a stream that hold its header: profiles and previews stand in front
AS_RGB = ("RGB", "YBR_ICT", "YBR_RCT")  # what decoders hand on as it is
AS_YCBCR = "YBR_FULL_422"


@contextmanager
def agreeing(path: Path, header: DicomHeader) -> Iterator[Path]:
    """
    A DICOM file whose header names the colors that its streams say they have: the file itself, as a rule, else a copy.

    Args:
        path: of the file.
        header: its header.

    Raises:
        ValueError: When pictures are missing, or of another size or number of channels than the header says.
        UnsuitableError: When streams of one file are of different colors.
    """
    colors = {colors for stream in _streams(path, header) if (colors := _other_colors(header, stream))}
    if len(colors) > 1:
        raise UnsuitableError("holds frames in different colors. Export it uncompressed.")
    if not colors:
        yield path
        return
    content, (start, length), name = path.read_bytes(), header.photometric_place, colors.pop().encode()
    name += b" " * (len(name) % 2)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "1.dcm")
        # Compressed DICOM is always explicit and little-endian: the length stands in two bytes before the value.
        head, rest = content[: start - 2], content[start + length :]
        copy.write_bytes(head + struct.pack("<H", len(name)) + name + rest)
        yield copy


def _streams(path: Path, header: DicomHeader) -> list[Stream]:
    """The streams that can be read, checked against the header; none of an uncompressed file."""
    if not header.pictures:
        return []
    if len(header.pictures) < header.frames:
        raise ValueError(f"it holds {len(header.pictures)} pictures, but its header tells of {header.frames}")
    # A picture may be in several parts, so that only the first is known to begin one.
    first = header.pictures if len(header.pictures) == header.frames else header.pictures[:1]
    with path.open("rb") as file:
        found = []
        for start, length in first:
            file.seek(start)
            found.append(read_stream(file.read(min(length, HEAD))))
    streams = [stream for stream in found if stream]
    for stream in streams:
        told, said = ((it.width, it.height, it.channels) for it in (stream, header))
        if told != said:
            raise ValueError(
                f"its header tells of {said[0]} × {said[1]} pixels of {said[2]} channels, but its JPEG stream of "
                f"{told[0]} × {told[1]} of {told[2]}"
            )
    return streams


def _other_colors(header: DicomHeader, stream: Stream) -> str:
    """What the header should say of a stream, where it says something else."""
    if stream.colors == RGB and header.photometric not in AS_RGB:
        return "RGB"
    return AS_YCBCR if stream.colors == YCBCR and header.photometric in AS_RGB else ""
