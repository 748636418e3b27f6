# SPDX-License-Identifier: Apache-2.0
"""Sessions: images that a client segments without adding them to the study."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID, uuid4

from fastapi import HTTPException
from monailabel.utils.sessions import SessionInfo, Sessions

from monai_kd.label.requests.names import require_name
from monai_kd.label.requests.uploads import require_image, require_suffix
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["CheckedSessions"]


class CheckedSessions(Sessions):
    """
    MONAI Label's sessions, with one image each, and only inside their folder.

    Archives and several files are refused: unpacking an archive could write anywhere, and a breast ultrasound image is
    one file. Invalid ids and files are answered with 400.

    Args:
        store_path: folder of all sessions.
        expiry: seconds after which an unused session is removed.
    """

    def get_session(self, session_id: str, update_ts: bool = True, fetch_cache: bool = True) -> SessionInfo | None:
        """A session, or None if it does not exist or has expired; ``update_ts`` notes that it was used."""
        return super().get_session(_require_id(session_id), update_ts, fetch_cache)

    def remove_session(self, session_id: str) -> None:
        """Remove a session and its image."""
        super().remove_session(_require_id(session_id))

    def add_session(
        self, data_file: str, expiry: int = 0, uncompress: bool = False, session_id: str | None = None
    ) -> tuple[str, SessionInfo]:
        """
        Begin a session with an image, which is moved to the sessions' folder.

        Args:
            data_file: path of the image.
            expiry: seconds, at most the sessions' own expiry.
            uncompress: must be False.
            session_id: a UUID; None for a new one.

        Raises:
            HTTPException: 400, for anything but one readable image; 507, when it cannot be written.
        """
        file = Path(data_file)
        if uncompress or file.is_dir():
            raise HTTPException(
                status_code=400, detail="A session takes one image, no archive and no folder. Upload the image's file."
            )
        name = require_name(file.name, "An image's file")
        require_suffix(file, repr(name))
        require_image(file, repr(name))
        key = _require_id(session_id or str(uuid4()))
        try:
            return super().add_session(str(file), expiry, session_id=key)
        except (OSError, ValueError) as error:
            self.remove_session(key)
            raise HTTPException(status_code=507, detail=f"The session could not be written: {error}") from error

    def remove_expired(self) -> int:
        """Remove sessions that have expired or lost their image, and return their number."""
        folder, count = Path(self.store_path), 0
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir() and _is_id(path.name):
                session = self.get_session(path.name, update_ts=False, fetch_cache=False)
                if session is None or 0 < session.expiry < time.time() - session.last_access_ts:
                    self.remove_session(path.name)
                    count += 1
        return count

    def _write_meta_info(self, session_id: str, session_info: SessionInfo) -> None:
        with atomic_write(Path(self.store_path) / session_id / "meta.info") as temporary:
            temporary.write_text(session_info.to_str(), encoding="utf-8")


def _is_id(text: object) -> bool:
    try:
        return str(UUID(str(text))) == text
    except ValueError:
        return False


def _require_id(session_id: str) -> str:
    if _is_id(session_id):
        return session_id
    raise HTTPException(
        status_code=400,
        detail=f"A session's id is one that PUT /session/ answered with, got {repr(session_id)[:80]}. Begin a session.",
    )
