# SPDX-License-Identifier: Apache-2.0
"""MONAI Label's server, for this machine only, without its unsafe endpoints."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monai_kd.data.image_files.formats import SUFFIXES
from monai_kd.label.requests.request_files import request_files
from monai_kd.label.server_end import begin, stop_all
from monai_kd.label.studies.study_folder import require_study
from monai_kd.utils.folder_lock import hold

__all__ = ["HOST", "RequestFolder", "RequestGuard", "environment", "serve"]

HOST = "127.0.0.1"
WITHOUT_TORCHVISION = Path(__file__).with_name("without_torchvision")

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

MOST_WORDS = 2**20  # bytes of a request without files: JSON is read as a whole, while other requests wait

served: Any = None  # the application, which uvicorn imports by this name


def serve(app: Path, studies: Path, port: int, most_megabytes: int = 256, conf: Sequence[str] = ()) -> None:
    """
    Run the server at 127.0.0.1 until it is ended.

    Args:
        app: folder of the app.
        studies: folder of images, as :func:`require_study` takes it.
        most_megabytes: larger uploads are refused.
        conf: names and values for the app, alternating.

    Raises:
        ImportError: When MONAI Label or a package of it is not installed, or is of a release that does not work.
        FileNotFoundError: When there is no app in the folder, or no folder of images.
        ValueError: When the port is in use, another server serves the app, or ``studies`` is an address or no study.
    """
    _require_packages()
    if str(studies).startswith(("http:", "https:")):
        raise ValueError(f"--studies {studies} is an address. This server works on a folder of images.")
    if not (app / "main.py").is_file():
        raise FileNotFoundError(
            f"No main.py in '{app}'. Write an app first: python -m monai_kd label install --output-dir {app}"
        )
    require_study(studies)
    _require_free(port)
    hold(app)
    os.environ.update(environment(app))
    tempfile.tempdir = None  # read TMPDIR again
    sys.path += _for_torchvision()
    # MONAI Label reads its settings from the environment when it is imported.
    from monailabel.main import Main
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from monai_kd.label.endpoints.application import application

    global served
    served = application()
    served.add_middleware(RequestFolder)
    served.add_middleware(RequestGuard, most_bytes=most_megabytes * 2**20)
    served.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    pairs = [word for name, value in zip(conf[::2], conf[1::2], strict=True) for word in ("--conf", name, value)]
    sys.argv = [
        "monailabel", "start_server", "--app", str(app.resolve()), "--studies", str(studies.resolve()),
        "--host", HOST, "--port", str(port), "--uvicorn_app", f"{__name__}:served", *pairs,
    ]  # fmt: skip
    begin()
    try:
        Main().run()
    finally:
        stop_all()


def _require_packages() -> None:
    if find_spec("monailabel") is None or find_spec("pydicom_seg") is None:
        listed = Path(__file__).with_name("requirements.txt")
        raise ImportError(
            f"MONAI Label is not installed. pip install --requirement {listed}; then pip install --no-deps "
            "monailabel==0.8.5 pydicom-seg==0.4.1"
        )
    if int(version("pydicom").split(".")[0]) > 2:
        raise ImportError(
            f"MONAI Label does not start with pydicom {version('pydicom')}. Run: pip install 'pydicom<3' "
            "'highdicom<0.23' (highdicom is for DICOM output; its later releases need pydicom 3)."
        )


def environment(app: Path) -> dict[str, str]:
    """
    The server's settings, as environment variables.

    It creates a folder for temporary files in the app's folder, which no other user can read.
    """
    temporary = app.resolve() / "tmp"
    if temporary.is_symlink():  # in an app from elsewhere a link could lead to files that would be removed below
        temporary.unlink()
    temporary.mkdir(mode=0o700, exist_ok=True)
    for left in temporary.glob("tmp*"):
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    path = [*_for_torchvision(), os.environ.get("PYTHONPATH", "")]
    return {
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        "MONAI_LABEL_DATASTORE_FILE_EXT": json.dumps([f"*{suffix}" for suffix in _both_cases(SUFFIXES)]),
        "MONAI_LABEL_TRACKING_ENABLED": "false",  # MONAI 1.6.1 refuses its store
        "MONAI_LABEL_SESSION_PATH": str(app.resolve() / "sessions"),
    }


class RequestFolder:
    """Gives every request its own folder for temporary files, which is removed when the request ends."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Pass the request on."""
        with request_files():
            await self.app(scope, receive, send)


class RequestGuard:
    """
    Refuses requests that are too large, that change weights, or that come from foreign pages in a browser.

    Args:
        most_bytes: largest body that is taken; a larger one gets status 413.
    """

    def __init__(self, app: Application, most_bytes: int) -> None:
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Refuse the request, or pass it on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        from starlette.responses import JSONResponse

        status, detail = refusal
        await JSONResponse({"detail": detail}, status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers:
            return 411, "Send the request with its Content-Length, not in chunks."
        if not length.isdigit() or int(length) > self.most_bytes:
            allowed = f"{self.most_bytes / 2**20:g} MB"
            told = length.decode("ascii", "replace")[:20]
            return 413, f"The request has {told} bytes; at most {allowed} are accepted. Send a smaller file."
        if int(length) > MOST_WORDS and not headers.get(b"content-type", b"").startswith(b"multipart/form-data"):
            return 413, f"The request has {int(length)} bytes without being a form with files; at most {MOST_WORDS}."
        if any(ord(letter) < 32 for letter in scope["path"]):  # a newline could pass for the end of the address
            return 400, "The address holds control characters. Leave them out."
        if scope["path"].startswith("/model/") and scope["method"] in ("PUT", "DELETE"):
            return 403, "Weights are neither uploaded nor deleted here. Train, or change the app's bundle/models."
        if scope["path"] == "/reload":
            return 403, "The app cannot be reloaded while it serves. End the server and start it again."
        if headers.get(b"sec-fetch-site") == b"cross-site":
            return 403, "Pages of other sites may not use this server."
        origin = headers.get(b"origin")
        if origin is not None and origin.removeprefix(b"http://") != headers.get(b"host"):
            return 403, f"Pages of {origin.decode(errors='replace')} may not use this server."
        return None


def _for_torchvision() -> list[str]:
    """The path of a stub for torchvision where that is missing: MONAI Label imports it, but never calls it."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):  # a build for another torch raises the latter
        sys.modules.pop("torchvision", None)
        return [str(WITHOUT_TORCHVISION)]
    return []


def _both_cases(suffixes: Sequence[str]) -> list[str]:
    return [*suffixes, *(suffix.upper() for suffix in suffixes)]


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ValueError(
                f"Port {port} at {HOST} cannot be used: {error.strerror}. End the other server, or choose "
                "another --port."
            ) from error
