# SPDX-License-Identifier: Apache-2.0
"""Uploads of images, labels and notes; sessions; and the study as an archive."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, HTTPException, UploadFile
from fastapi.responses import FileResponse
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.interfaces.datastore import DefaultLabelTag
from monailabel.interfaces.utils.app import app_instance

from monai_kd.data.image_files.formats import name_of, suffix_of
from monai_kd.label.endpoints.answering import in_thread, json_object
from monai_kd.label.requests.names import require_info, require_name
from monai_kd.label.requests.notes import client_notes
from monai_kd.label.requests.request_files import current

__all__ = ["file_answer", "received", "router"]

router = APIRouter()
Annotator = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))]
Anybody = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))]
Text = Annotated[str, Form()]  # JSON
Upload = Annotated[UploadFile, File()]
FINAL: str = DefaultLabelTag.FINAL.value


def received(upload: UploadFile) -> Path:
    """Keep an uploaded file until its request ends, under the server's own name and the client's suffix."""
    name = Path((upload.filename or "").replace("\0", "")).name
    suffix = suffix_of(name) or Path(name).suffix[:16]
    return current().receive(upload.file, f"upload{suffix}")


def file_answer(path: str | Path, name: str = "") -> FileResponse:
    """Answer with a file, for the client to save as ``name``."""
    kind = mimetypes.guess_type(str(path), strict=False)[0] or "application/octet-stream"
    return FileResponse(path, media_type=kind, filename=name or Path(path).name)


def add_image(user: Annotator, file: Upload, image: str | None = None, params: Text = "{}") -> Any:
    """Add an image to the study."""
    notes = {**_notes(params, "params"), "user": user.username}
    key = image or name_of(Path((file.filename or "").replace("\0", "")).name)
    return {"image": app_instance().datastore().add_image(key, str(received(file)), notes)}


def save_label(user: Annotator, image: str, label: Upload, params: Text = "{}", tag: str = FINAL) -> Any:
    """Save an image's label; it replaces an older one with the same tag."""
    app = app_instance()
    key = app.datastore().save_label(image, str(received(label)), tag or FINAL, _notes(params, "params"))
    note = {} if tag in ("", FINAL) else {"note": f"Only labels with the tag {FINAL!r} train the student."}
    return {**(app.on_save_label(image, key) or {}), "image": image, "label": key, **note}


def note_image(user: Annotator, image: str, info: Text = "{}") -> Any:
    """Add notes to an image."""
    app_instance().datastore().update_image_info(image, {**_notes(info, "info"), "user": user.username})


def note_label(user: Annotator, label: str, tag: str, info: Text = "{}") -> Any:
    """Add notes to a label."""
    app_instance().datastore().update_label_info(label, tag, {**_notes(info, "info"), "user": user.username})


def note_label_by_params(user: Annotator, label: str, tag: str, params: Text = "{}") -> Any:
    """Add notes to a label, for older clients."""
    return note_label(user, label, tag, params)


def dataset(user: Annotator, limit_cases: int | None = None) -> Any:
    """All images with final labels, as a ZIP file."""
    return file_answer(app_instance().datastore().get_dataset_archive(limit_cases), "dataset.zip")


def begin_session(
    user: Anybody, files: Annotated[list[UploadFile], File()], uncompress: bool = False, expiry: int = 0
) -> Any:
    """Keep an image for a while, without adding it to the study."""
    sessions = app_instance().sessions()
    if sessions is None:
        raise HTTPException(406, "Sessions are switched off. Set MONAI_LABEL_SESSIONS, and start the server again.")
    if len(files) != 1:
        raise HTTPException(400, "A session takes one image, no archive and no folder. Upload the image's file.")
    name = require_name(Path(files[0].filename or "").name, "An image's file")
    image = current().receive(files[0].file, name)
    key, session = sessions.add_session(str(image), expiry, uncompress)
    return {"session_id": key, "session_info": session.to_json()}


def _notes(text: str, what: str) -> dict[str, Any]:
    return client_notes(require_info(json_object(text, what)))


for path, endpoint in (
    ("/datastore/", add_image),
    ("/datastore/image", add_image),
    ("/datastore/label", save_label),
    ("/datastore/image/info", note_image),
    ("/datastore/label/info", note_label),
    ("/datastore/updatelabelinfo", note_label_by_params),
    ("/session/", begin_session),
):
    router.add_api_route(path, in_thread(endpoint), methods=["PUT"])
router.add_api_route("/datastore/dataset", in_thread(dataset, long=True), methods=["GET"])
