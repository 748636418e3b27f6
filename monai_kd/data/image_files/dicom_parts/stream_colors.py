# SPDX-License-Identifier: Apache-2.0
"""
Compressed DICOM with a header that contradicts its streams: colors are taken from the stream, other differences
refused.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_kd.data.image_files.dicom_parts.header import DicomHeader
from monai_kd.data.image_files.dicom_parts.jpeg_stream import RGB, YCBCR, Stream, read_stream
from monai_kd.data.image_files.image_format import UnsuitableError

HEAD = 2**20  # bytes of a stream that contain its header, after profiles and previews
AS_RGB = ("RGB", "YBR_ICT", "YBR_RCT")  # decoders pass these on unchanged
AS_YCBCR = "YBR_FULL_422"


@contextmanager
def file_with_true_colors(path: Path, header: DicomHeader) -> Iterator[Path]:
    """
    Yield a DICOM file whose header names the same colors as its streams: usually the file itself, otherwise a corrected
    copy.

    Raises:
        ValueError: When pictures are missing, or differ from the header in size or number of channels.
        UnsuitableError: When streams of one file have different colors.
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
        # Compressed DICOM is always explicit and little-endian: the two bytes before a value hold its length.
        head, rest = content[: start - 2], content[start + length :]
        copy.write_bytes(head + struct.pack("<H", len(name)) + name + rest)
        yield copy


def _streams(path: Path, header: DicomHeader) -> list[Stream]:
    """The readable streams, checked against the header; an empty list for an uncompressed file."""
    if not header.pictures:
        return []
    if len(header.pictures) < header.frames:
        raise ValueError(f"it holds {len(header.pictures)} pictures, but its header says {header.frames}")
    # A picture may have several parts; then only the first part surely begins a picture.
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
                f"its header says {said[0]} × {said[1]} pixels of {said[2]} channels, but its JPEG stream has "
                f"{told[0]} × {told[1]} of {told[2]}"
            )
    return streams


def _other_colors(header: DicomHeader, stream: Stream) -> str:
    """The colors that the header should name for a stream; empty if it does."""
    if stream.colors == RGB and header.photometric not in AS_RGB:
        return "RGB"
    return AS_YCBCR if stream.colors == YCBCR and header.photometric in AS_RGB else ""
