# SPDX-License-Identifier: Apache-2.0
"""The served application: our own endpoints where a request reaches files or tasks, and MONAI Label's for the rest."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from monailabel import app as stock
from monailabel.config import settings
from monailabel.endpoints import batch_infer, datastore, info, login, model, scoring, session, train

from monai_kd.label.endpoints import images, inference, logs, tasks
from monai_kd.label.endpoints.answering import Answer, in_thread, known_parameters, refuse_unfit

__all__ = ["application"]

# MONAI Label's endpoints that read, remove by a checked name, or report on a task. All others, also those of a later
# release, are not served.
KEPT = {
    (info, "GET", "/info/"),
    (model, "GET", "/model/{model}"),
    (model, "GET", "/model/info/{model}"),
    (batch_infer, "GET", "/batch/infer"),
    (train, "GET", "/train/"),
    (scoring, "GET", "/scoring/"),
    (datastore, "GET", "/datastore/"),
    (datastore, "DELETE", "/datastore/"),
    (datastore, "DELETE", "/datastore/image"),
    (datastore, "HEAD", "/datastore/image"),
    (datastore, "GET", "/datastore/image"),
    (datastore, "GET", "/datastore/image/info"),
    (datastore, "DELETE", "/datastore/label"),
    (datastore, "HEAD", "/datastore/label"),
    (datastore, "GET", "/datastore/label"),
    (datastore, "GET", "/datastore/label/info"),
    (session, "GET", "/session/{session_id}"),
    (session, "DELETE", "/session/{session_id}"),
}


def application() -> FastAPI:
    """MONAI Label's protocol for the app and the study in the server's settings."""
    served = FastAPI(
        title=settings.MONAI_LABEL_PROJECT_NAME,
        docs_url="/",
        redoc_url="/docs",
        lifespan=stock.lifespan,
        default_response_class=Answer,
        dependencies=[Depends(known_parameters)],
        exception_handlers={RequestValidationError: refuse_unfit},
    )
    for own in (inference, images, tasks, logs):
        served.include_router(own.router)
    for module in dict.fromkeys(module for module, _, _ in KEPT):
        for route in module.router.routes:
            _keep(served, module, route)
    if settings.MONAI_LABEL_AUTH_ENABLE:
        served.include_router(login.router)
    served.mount("/static", next(route.app for route in stock.app.routes if getattr(route, "path", "") == "/static"))
    served.add_api_route("/favicon.ico", _icon, include_in_schema=False)
    return served


def _keep(served: FastAPI, module: Any, route: APIRoute) -> None:
    for method in sorted(route.methods or ()):
        if (module, method, route.path) in KEPT:
            served.add_api_route(route.path, in_thread(route.endpoint), methods=[method], summary=route.summary)


async def _icon() -> FileResponse:
    return FileResponse(f"{stock.static_dir}/favicon.ico", media_type="image/x-icon")
