# SPDX-License-Identifier: Apache-2.0
"""The encodings of pixels in DICOM files (transfer syntaxes, PS3.5 and PS3.6 annex A), by name."""

from __future__ import annotations

from monai_kd.data.image_files.image_format import UnsuitableError

ROOT = "1.2.840.10008.1.2"
READ = {ROOT, "", "1.2.840.113619.5.2"} | {f"{ROOT}{end}" for end in (".1", ".2", ".5")}
READ |= {f"{ROOT}.4.{end}" for end in (*range(50, 67), 70, 80, 81, 90, 91)}
NAMES = {
    ".1.98": "encapsulated, uncompressed",
    ".1.99": "deflated",
    ".4.92": "JPEG 2000 part 2, lossless",
    ".4.93": "JPEG 2000 part 2",
    ".4.94": "JPIP, a link to a server",
    ".4.95": "JPIP, a link to a server, deflated",
    ".4.110": "JPEG XL, lossless",
    ".4.111": "JPEG XL of a JPEG",
    ".4.112": "JPEG XL",
    ".4.201": "HTJ2K (high-throughput JPEG 2000), lossless",
    ".4.202": "HTJ2K (high-throughput JPEG 2000), lossless RPCL",
    ".4.203": "HTJ2K (high-throughput JPEG 2000)",
    ".4.204": "JPIP HTJ2K, a link to a server",
    ".4.205": "JPIP HTJ2K, a link to a server, deflated",
}
NAMES |= dict.fromkeys((".4.100", ".4.100.1", ".4.101", ".4.101.1"), "MPEG-2 video")
NAMES |= {f".4.{number}{part}": "H.264 (MPEG-4) video" for number in range(102, 107) for part in ("", ".1")}
NAMES |= dict.fromkeys((".4.107", ".4.108"), "H.265 (HEVC) video")
NAMES |= {f".7.{number}": "SMPTE ST 2110 video" for number in (1, 2, 3)}


def require_read(syntax: str) -> None:
    """
    Check that files with a transfer syntax, given by its UID, can be read; an UnsuitableError says what to export
    instead.
    """
    if syntax in READ:
        return
    name = NAMES.get(syntax.removeprefix(ROOT), "something unknown")
    raise UnsuitableError(
        f"holds its pixels as {name} (transfer syntax {syntax}), which cannot be read. Export it uncompressed "
        "(Explicit VR Little Endian), or as JPEG, JPEG-LS, JPEG 2000 or RLE."
    )
