# SPDX-License-Identifier: Apache-2.0
"""The server's log, without its paths, and endpoints that are not supported."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response
from monailabel.config import settings
from monailabel.endpoints.logs import get_logs
from monailabel.endpoints.user.auth import RBAC, User

from monai_kd.label.endpoints.answering import in_thread, without_paths

__all__ = ["router"]

router = APIRouter()
Admin = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))]
MOST_LINES = 10_000


def logs(user: Admin, lines: int = 300, html: bool = True, text: bool = False, refresh: int = 0) -> Any:
    """The last lines of the log."""
    path = Path(settings.MONAI_LABEL_APP_DIR, "logs", "app.log")
    if not path.is_file():
        raise HTTPException(404, "There is no log yet.")
    count = min(lines, MOST_LINES) if lines > 0 else MOST_LINES
    answer = get_logs(str(path), count, html, text, min(max(refresh, 0), 3600))
    return Response(without_paths(answer.body.decode(errors="replace")), media_type=answer.media_type)


def gpu(user: Admin) -> Any:
    """The output of nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        raise HTTPException(404, "nvidia-smi is not installed on the server, so there is no NVIDIA GPU.")
    said = subprocess.run([program], capture_output=True, text=True, timeout=30, check=False).stdout
    return Response(without_paths(said), media_type="text/plain")


def not_served(path: str = "") -> Any:
    """DICOMweb and OHIF need a remote store."""
    raise HTTPException(404, "DICOMweb and OHIF are not served here: the study is a folder of images.")


router.add_api_route("/logs/", in_thread(logs), methods=["GET"])
router.add_api_route("/logs/gpu", in_thread(gpu), methods=["GET"])
for prefix in ("/proxy", "/ohif"):
    router.add_api_route(prefix + "/{path:path}", in_thread(not_served), methods=["GET", "POST"])
