# SPDX-License-Identifier: Apache-2.0
"""DICOM files as ultrasound machines write them, byte by byte after PS3.5: ITK writes few of their kinds itself."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

EXPLICIT, IMPLICIT, BIG_ENDIAN, JPEG = (f"1.2.840.10008.1.2{kind}" for kind in (".1", "", ".2", ".4.50"))
ULTRASOUND_LOOP = "1.2.840.10008.5.1.4.1.1.3.1"
ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
LONG = ("OB", "OW", "SQ", "UN")


def write_dicom(
    path: Path,
    values: np.ndarray,
    photometric: str = "MONOCHROME2",
    frames: int | None = None,
    patient: str = "",
    storage: str = ULTRASOUND_LOOP,
    syntax: str = EXPLICIT,
    planar: int = 0,
    jpegs: Sequence[bytes] = (),
    palette: np.ndarray | None = None,
    pixels: bytes | None = None,
    stored: int | None = None,
    extra: Mapping[int, tuple[str, str]] | None = None,
) -> Path:
    """
    Write pixels as they are stored: (H, W), (T, H, W) or, with three samples a pixel, (..., 3).

    Args:
        path: the file.
        values: uint8 or uint16; their shape goes into the header.
        photometric: how the samples are to be read.
        frames: the number of frames; without, the file is a still image.
        patient: the Patient ID.
        storage: the storage class.
        syntax: the transfer syntax.
        planar: 1 if the colors lie in planes.
        jpegs: one compressed picture for each frame, in place of the values.
        palette: (3, 256) uint16.
        pixels: other bytes in place of the values'.
        stored: the bits of a value that count, if not all.
        extra: type and text of further elements by their tags, from (0028,0104) to the pixels.
    """
    colored = values.ndim > 2 and values.shape[-1] == 3
    height, width = values.shape[-3:-1] if colored else values.shape[-2:]
    bits = values.dtype.itemsize * 8
    order = ">" if syntax == BIG_ENDIAN else "<"

    def number(value: int) -> bytes:
        return struct.pack(order + "H", value)

    def element(tag: int, kind: str, value: bytes | str) -> bytes:
        return _element(tag, kind, value, order, syntax == IMPLICIT)

    meta = _element(0x00020010, "UI", syntax)
    meta = _element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta
    body = element(0x00080016, "UI", storage) + element(0x00080018, "UI", "1.2.3") + element(0x00080060, "CS", "US")
    body += _nested(order, syntax == IMPLICIT)
    body += element(0x00100010, "PN", "A^B") + element(0x00100020, "LO", patient)
    body += element(0x0020000D, "UI", "1.2.5") + element(0x0020000E, "UI", "1.2.6")
    body += element(0x00280002, "US", number(3 if colored else 1)) + element(0x00280004, "CS", photometric)
    body += element(0x00280006, "US", number(planar)) if colored else b""
    body += element(0x00280008, "IS", str(frames)) if frames is not None else b""
    body += element(0x00280010, "US", number(height)) + element(0x00280011, "US", number(width))
    counted, sign = stored or bits, int(values.dtype.kind == "i")
    for tag, value in ((0x00280100, bits), (0x00280101, counted), (0x00280102, counted - 1), (0x00280103, sign)):
        body += element(tag, "US", number(value))
    for tag, (kind, text) in sorted((extra or {}).items()):
        body += element(tag, kind, text)
    if palette is not None:
        for color in range(3):
            body += element(0x00281101 + color, "US", number(256) + number(0) + number(16))
        for color in range(3):
            body += element(0x00281201 + color, "OW", palette[color].tobytes())
    if jpegs:
        body += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + _item(b"")
        body += b"".join(_item(jpeg) for jpeg in jpegs) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    else:
        stored = values.astype(values.dtype.newbyteorder(order)).tobytes() if pixels is None else pixels
        body += element(0x7FE00010, "OB" if bits == 8 else "OW", stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + meta + body)
    return path


def _element(tag: int, kind: str, value: bytes | str, order: str = "<", implicit: bool = False) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    content += (b"\0" if kind in ("UI", "OB", "OW") else b" ") * (len(content) % 2)
    start = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return start + struct.pack(order + "I", len(content)) + content
    if kind in LONG:
        return start + kind.encode() + struct.pack(order + "xxI", len(content)) + content
    return start + kind.encode() + struct.pack(order + "H", len(content)) + content


def _nested(order: str, implicit: bool) -> bytes:
    """A sequence of unknown length whose item, of unknown length too, has rows and columns of its own."""
    kind = b"" if implicit else b"SQ\0\0"
    start = struct.pack(order + "HH", 0x0008, 0x1140) + kind + struct.pack(order + "I", 0xFFFFFFFF)
    start += struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    inner = _element(0x00280010, "US", struct.pack(order + "H", 7), order, implicit)
    end = struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0) + struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)
    return start + inner + end


def _item(content: bytes) -> bytes:
    content += b"\0" * (len(content) % 2)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
