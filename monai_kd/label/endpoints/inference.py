# SPDX-License-Identifier: Apache-2.0
"""Segmentation of an image of the study, of a session, or of the request."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, HTTPException, UploadFile
from fastapi.responses import Response
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.endpoints.wsi_infer import WSIInput
from monailabel.interfaces.utils.app import app_instance
from requests_toolbelt import MultipartEncoder

from monai_kd.label.endpoints.answering import in_thread, json_object, without_paths
from monai_kd.label.endpoints.images import file_answer, received
from monai_kd.label.requests.request_files import current

__all__ = ["router"]

router = APIRouter()
Anybody = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))]
Text = Annotated[str, Form()]  # JSON
Upload = Annotated[UploadFile | None, File()]


class Output(StrEnum):
    """The content of the answer: the mask, its description, or both."""

    IMAGE = "image"
    JSON = "json"
    ALL = "all"


class SlideOutput(StrEnum):
    """Formats for clients of whole slides; here ``json`` gives the mask's description, and others the mask."""

    ASAP = "asap"
    DSA = "dsa"
    JSON = "json"


def infer(
    user: Anybody,
    model: str,
    image: str = "",
    session_id: str = "",
    params: Text = "{}",
    file: Upload = None,
    label: Upload = None,  # scribbles, which no model here uses
    output: Output | None = None,
) -> Any:
    """Segment an image."""
    result = _segmented(model, image, session_id, json_object(params, "params"), file)
    path, said = _file_of(result), result["params"]
    if output is Output.JSON or path is None:
        return said
    if output is Output.IMAGE:
        return file_answer(path)
    answer = file_answer(path)
    with path.open("rb") as mask:
        fields = {
            "params": (None, without_paths(json.dumps(said, default=str)), "application/json"),
            "image": (path.name, mask, answer.media_type),
        }
        encoded = MultipartEncoder(fields=fields)
        return Response(encoded.to_string(), media_type=encoded.content_type)


def infer_slide(
    user: Anybody,
    model: str,
    image: str = "",
    session_id: str = "",
    wsi: WSIInput | None = None,
    output: SlideOutput | None = None,
) -> Any:
    """Segment an image for a client of whole slides, which are not supported as such."""
    return _slide_answer(_segmented(model, image, session_id, (wsi and wsi.params) or {}, None), output)


def infer_slide_v2(
    user: Anybody,
    model: str,
    image: str = "",
    session_id: str = "",
    file: Upload = None,
    wsi: Text = "{}",
    output: SlideOutput | None = None,
) -> Any:
    """As ``/infer/wsi``, with the image in the request."""
    asked = WSIInput.model_validate(json_object(wsi, "wsi"))
    return _slide_answer(_segmented(model, image, session_id, asked.params or {}, file), output)


def _slide_answer(result: dict[str, Any], output: SlideOutput | None) -> Any:
    path = _file_of(result)
    return result["params"] if output is SlideOutput.JSON or path is None else file_answer(path)


def _segmented(
    model: str, image: str, session_id: str, params: dict[str, Any], file: UploadFile | None
) -> dict[str, Any]:
    if not (image or session_id or file):
        raise HTTPException(400, "No image was named. Send image=<id>, session_id=<id>, or a file.")
    app, request = app_instance(), {"model": model, "image": image}
    if file:
        request["image"] = str(received(file))
    request |= params
    if session_id:
        session = app.sessions().get_session(session_id) if app.sessions() is not None else None
        if session is None:
            raise HTTPException(404, f"No session {session_id!r} here (any more). Begin one: PUT /session/.")
        request["image"] = str(current().lend(Path(session.image)))
    answer: dict[str, Any] = app.infer(request)
    return answer


def _file_of(result: dict[str, Any]) -> Path | None:
    return Path(result["file"]) if result.get("file") else None


for path, endpoint in (
    ("/infer/wsi/{model}", infer_slide),
    ("/infer/wsi_v2/{model}", infer_slide_v2),
    ("/infer/{model}", infer),
):
    router.add_api_route(path, in_thread(endpoint), methods=["POST"])
