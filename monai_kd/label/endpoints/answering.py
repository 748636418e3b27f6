# SPDX-License-Identifier: Apache-2.0
"""Answers to requests: computed in a thread, without the server's paths, and with a reason for every error."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from monailabel.config import settings

from monai_kd.label.requests.client_errors import client_errors
from monai_kd.utils.messages import first_line

__all__ = ["Answer", "in_thread", "json_object", "known_parameters", "refuse_unfit", "without_paths"]

logger = logging.getLogger(__name__)

BRIEF, LONG = CapacityLimiter(40), CapacityLimiter(4)  # threads; requests of minutes have their own
DETAIL = 1000  # letters
TOKEN = "token"  # of accounts, which this server has none of


class Answer(JSONResponse):
    """JSON in ASCII, because half characters (surrogates) from a client could not be encoded otherwise."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":"), default=str).encode("ascii")


def in_thread(endpoint: Callable[..., Any], long: bool = False) -> Callable[..., Any]:
    """
    An endpoint that runs in a thread, so that other requests are answered meanwhile.

    Args:
        endpoint: a function, or a coroutine function that never waits, like MONAI Label's.
        long: whether it may take minutes.
    """
    signature = inspect.signature(endpoint, eval_str=True)

    async def answer(**arguments: Any) -> Any:
        call = partial(_answer, endpoint, arguments)
        return await to_thread.run_sync(call, limiter=LONG if long else BRIEF)

    answer.__signature__ = signature  # type: ignore[attr-defined]
    answer.__name__ = endpoint.__name__
    answer.__doc__ = endpoint.__doc__
    return answer


def _answer(endpoint: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        with client_errors():
            answer = endpoint(**arguments)
            return _hidden(asyncio.run(answer) if inspect.iscoroutine(answer) else answer)
    except HTTPException as error:
        detail = without_paths(str(error.detail))
        raise HTTPException(error.status_code, detail[:DETAIL] + "…" * (len(detail) > DETAIL)) from error
    except MemoryError as error:
        raise HTTPException(413, "There is not enough memory for this. Send a smaller image.") from error
    except Exception as error:
        logger.exception("%s failed", endpoint.__name__)
        text = without_paths(f"{type(error).__name__}: {first_line(error)}")
        raise HTTPException(500, f"The server failed at this request ({text[:DETAIL]}). Its log says more.") from error


def without_paths(text: str) -> str:
    """A text for a client, without the paths of the server's folders."""
    for path, name in _places().items():
        text = text.replace(path, name)
    return text


def _places() -> dict[str, str]:
    # Longer paths first, because the temporary folder, and perhaps the study, are in the app's folder.
    named = {
        tempfile.gettempdir(): "upload",
        settings.MONAI_LABEL_APP_DIR: "app",
        str(Path(__file__).resolve().parents[2]): "monai_kd",
        sys.prefix: "python",
    }
    places = {
        str(path): name for given, name in named.items() if given for path in (Path(given), Path(given).resolve())
    }
    return {path: places[path] for path in sorted(places, key=len, reverse=True) if len(path) > 1}


def _hidden(answer: Any) -> Any:
    """A copy of the answer without paths; the original, of a running task, may still change."""
    if isinstance(answer, str):
        return without_paths(answer)
    if isinstance(answer, dict):
        return {key: _hidden(value) for key, value in answer.copy().items()}
    return [_hidden(item) for item in list(answer)] if isinstance(answer, list | tuple | deque) else answer


def json_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object in a form's field called ``what``; an empty text is an empty object, others are answered 400."""
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"{what} must be a JSON object, but it is no JSON: {error}. Correct it.") from error
    if not isinstance(content, dict):
        raise HTTPException(400, f"{what} must be a JSON object, got {repr(content)[:80]}. Send name and value pairs.")
    return content


async def known_parameters(request: Request) -> None:
    """Answer 400 if the address has a parameter that its endpoint does not take, and would pass over in silence."""
    path = request.scope["route"].path_format
    described = request.app.openapi()["paths"].get(path, {}).get(request.method.lower())
    if described is None:
        return
    known = [item["name"] for item in described.get("parameters", ()) if item["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            taken = ", ".join(key for key in known if key != TOKEN) or "none"
            detail = f"No parameter {name[:80]!r} in {path}. It takes: {taken}. Send options as params."
            raise HTTPException(400, detail)


async def refuse_unfit(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 with the arguments that do not fit, without their values."""
    errors = error.errors()[:5]
    found = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in errors]
    is_text = any(item["loc"] == ("body",) for item in errors) and "json" not in request.headers.get("content-type", "")
    remedy = " Send JSON with the header Content-Type: application/json." if is_text else ""
    return Answer({"detail": without_paths(f"The request does not fit: {'; '.join(found)}.{remedy}")[:DETAIL]}, 422)
