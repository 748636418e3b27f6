# SPDX-License-Identifier: Apache-2.0
"""Training, scoring and batch inference, one of each at a time, and the next image to label."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask
from monailabel.utils.async_tasks.utils import processes, tasks
from psutil import NoSuchProcess

from monai_kd.label.endpoints.answering import in_thread
from monai_kd.label.requests.names import MAX_BYTES

__all__ = ["router"]

router = APIRouter()
Admin = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))]
Annotator = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))]
Anybody = Annotated[User, Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))]

Params = dict[str, Any] | None
STARTS_WITHIN = 60.0  # seconds

_starting = threading.Lock()
_here: set[str] = set()  # methods that run in the server's own process (run_sync)


def _is_busy(method: str) -> bool:
    if processes(method) or method in _here:
        return True
    # A new task has no process for a moment; one whose process could not be started never has one.
    submitted = [task["start_ts"] for task in tasks(method) if task["status"] == "SUBMITTED"]
    begins = [datetime.strptime(begin, "%Y-%m-%d %H:%M:%S").timestamp() for begin in submitted]
    return any(time.time() - begin < STARTS_WITHIN for begin in begins)


def _start(method: str, request: dict[str, Any], run_sync: bool, enqueue: bool = False) -> Any:
    """Start a task, or refuse it if one runs; of two requests at the same time, only one starts."""
    with _starting:
        if not enqueue and _is_busy(method):
            name = method.replace("_", " ").capitalize()
            raise HTTPException(429, f"{name} Task is Already Running. Wait for it to end, or stop it (DELETE).")
        if not run_sync:
            return AsyncTask.run(method, request=request, enqueue=True)[0]
        mine = method not in _here
        _here.add(method)
    try:
        return AsyncTask.run(method, request=request, force_sync=True, enqueue=True)[0]
    finally:
        if mine:
            _here.discard(method)


def train(user: Admin, model: str, params: Params = None, run_sync: bool = False, enqueue: bool = False) -> Any:
    """Distil the student."""
    return _start("train", app_instance().training_request(model, params or {}), run_sync, enqueue)


def train_all(user: Admin, params: Params = None, run_sync: bool = False) -> Any:
    """Distil all students (there is one)."""
    return {
        model: {"result": train(user, model, _of(params, model), run_sync), "detail": None}
        for model in app_instance().info()["trainers"]
    }


def score(user: Annotator, method: str, params: Params = None, run_sync: bool = False) -> Any:
    """Score."""
    return _start("scoring", app_instance().scoring_request(method, params or {}), run_sync)


def score_all(user: Annotator, params: Params = None, run_sync: bool = False) -> Any:
    """Compute all scores, one after the other."""
    app, found = app_instance(), {}
    for method in app.info()["scoring"]:
        request = app.scoring_request(method, _of(params, method))
        found[method] = {"result": _start("scoring", request, run_sync, enqueue=True), "detail": None}
    return found


def batch(user: Admin, model: str, images: str = "all", params: Params = None, run_sync: bool = False) -> Any:
    """Segment many images."""
    return _start("batch_infer", app_instance().batch_request(model, images, params or {}), run_sync)


def stop_training(user: Admin) -> Any:
    """Stop the training."""
    return _stop("train")


def stop_scoring(user: Annotator) -> Any:
    """Stop the scoring."""
    return _stop("scoring")


def stop_batch(user: Admin) -> Any:
    """Stop the batch inference."""
    return _stop("batch_infer")


def _stop(method: str) -> Any:
    """Stop a task, also one that has just started and has no process yet."""
    for _ in range(50):
        if processes(method) or not _is_busy(method):
            break
        time.sleep(0.1)
    try:
        return AsyncTask.stop(method)
    except NoSuchProcess:
        return None  # the task has just ended by itself


def next_sample(user: Anybody, strategy: str, params: Params = None) -> Any:
    """The image to label next; the server notes that it was shown."""
    app, asked = app_instance(), params or {}
    client = asked.get("client_id") or user.username
    if not isinstance(client, str) or len(client.encode(errors="replace")) > MAX_BYTES:
        raise HTTPException(400, f"client_id must be a text of at most {MAX_BYTES} bytes. Send another.")
    result = app.next_sample({"strategy": strategy})
    if not result:
        return {}
    notes = app.datastore().get_image_info(result["id"])
    shown = {**notes.get("strategy", {}), strategy: {"ts": int(time.time()), "client_id": client}}
    app.datastore().update_image_info(result["id"], {"strategy": shown})
    return {**notes, **result}


def _of(params: Params, name: str) -> dict[str, Any]:
    own = (params or {}).get(name) or {}
    if not isinstance(own, dict):
        raise HTTPException(400, f"{name!r} must have a JSON object of options, got {repr(own)[:80]}.")
    return own


for path, endpoint, is_long in (
    ("/train/", train_all, True),
    ("/train/{model}", train, True),
    ("/scoring/", score_all, True),
    ("/scoring/{method}", score, True),
    ("/batch/infer/{model}", batch, True),
    ("/activelearning/{strategy}", next_sample, False),
):
    router.add_api_route(path, in_thread(endpoint, long=is_long), methods=["POST"])
for path, stop in (("/train/", stop_training), ("/scoring/", stop_scoring), ("/batch/infer", stop_batch)):
    router.add_api_route(path, in_thread(stop), methods=["DELETE"])
