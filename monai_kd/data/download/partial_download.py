# SPDX-License-Identifier: Apache-2.0
"""A partial download: the bytes so far, and where they came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from monai_kd.utils.json_files import read_json, write_json


@dataclass
class Origin:
    """
    The file on a server to which the bytes belong.

    Args:
        address: the requested address.
        validator: the server's strong ETag, or its date. Without either it is empty, and the download cannot be
            resumed.
        size: bytes of the whole file, 0 if unknown.
    """

    address: str
    validator: str
    size: int


class Partial:
    """A partial download: ``<file>.part`` holds the bytes, ``<file>.part.json`` their origin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = path.with_name(path.name + ".part")
        self.state = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self.bytes.stat().st_size if self.bytes.exists() else 0

    def origin(self) -> Origin:
        """Where the bytes came from; an empty origin if that is unknown."""
        try:
            return Origin(**read_json(self.state))
        except (OSError, ValueError, TypeError):  # missing or damaged: the download starts again
            return Origin("", "", 0)

    def begin(self, origin: Origin) -> None:
        """Delete the old bytes and store the origin of the new ones. In this order, a kill in between mixes nothing."""
        self.state.unlink(missing_ok=True)
        self.bytes.write_bytes(b"")
        write_json(self.state, asdict(origin))

    def finish(self) -> None:
        """Rename the bytes to the file's name."""
        self.bytes.replace(self.path)
        self.drop()

    def drop(self) -> None:
        """Remove the bytes and their origin."""
        self.state.unlink(missing_ok=True)
        self.bytes.unlink(missing_ok=True)
