# SPDX-License-Identifier: Apache-2.0
"""A file that is still arriving: its bytes so far, and what must hold to go on with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from monai_kd.utils.json_files import read_json, write_json


@dataclass
class Origin:
    """
    Which file of a server the bytes belong to.

    Args:
        address: the address that was asked.
        validator: the server's strong ETag, or its date; empty if it gives none: then nothing can be gone on with.
        size: bytes of the whole file, 0 if unknown.
    """

    address: str
    validator: str
    size: int


class Partial:
    """``<file>.part`` with the bytes, ``<file>.part.json`` with their origin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = path.with_name(path.name + ".part")
        self.state = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        """The number of bytes that are there."""
        return self.bytes.stat().st_size if self.bytes.exists() else 0

    def origin(self) -> Origin:
        """Where the bytes came from; an empty origin if that is not known."""
        try:
            return Origin(**read_json(self.state))
        except (OSError, ValueError, TypeError):  # none, or damaged: the transfer starts from the beginning
            return Origin("", "", 0)

    def begin(self, origin: Origin) -> None:
        """Forget what is there, and keep the new bytes' origin; in this order, so that a kill between mixes nothing."""
        self.state.unlink(missing_ok=True)
        self.bytes.write_bytes(b"")
        write_json(self.state, asdict(origin))

    def finish(self) -> None:
        """Give the bytes the file's name."""
        self.bytes.replace(self.path)
        self.drop()

    def drop(self) -> None:
        """Remove the bytes and their origin."""
        self.state.unlink(missing_ok=True)
        self.bytes.unlink(missing_ok=True)
