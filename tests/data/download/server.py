# SPDX-License-Identifier: Apache-2.0
"""A publisher's web server on this machine that fails on request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher:
    """
    Serves ``files`` (path → content); ``faults`` (one for each request to come, "" for none) says what goes wrong.

    ``requests`` holds each request's (path, Range header), ``sent`` the bytes that left.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.sent: list[int] = []
        self.ranges = True
        self.tags = True
        self.root = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        asked = handler.headers.get("Range", "")
        self.requests.append((handler.path, asked))
        if fault.startswith("redirect "):
            return self._head(handler, 302, {"Location": fault.split(" ", 1)[1], "Content-Length": "0"})
        if fault.isdecimal() or handler.path not in self.files:
            return self._head(handler, int(fault or 404), {"Content-Length": "0", "Retry-After": "7"})
        body = self.files[handler.path]
        tag = f'"{hash(body)}"'
        headers = {"ETag": tag} if self.tags else {}
        start, status = 0, 200
        if asked and self.ranges and handler.headers.get("If-Range", tag) == tag:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(body) or fault == "unsatisfiable":
                return self._head(handler, 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
            shift = 1 if fault == "other range" else 0
            headers["Content-Range"] = f"bytes {start - shift}-{len(body) - 1}/{len(body)}"
        part = body[start:]
        length = len(part) + {"announces more": 100, "announces less": -100}.get(fault, 0)
        if fault != "no length":
            headers["Content-Length"] = str(length)
        self._head(handler, status, headers)
        part = part[: len(part) // 2] if fault == "breaks off" else part
        self.sent.append(len(part))
        with suppress(ConnectionError):  # the client was interrupted and hung up
            handler.wfile.write(part)
            handler.wfile.flush()
        return None

    def _head(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()


@contextmanager
def serve() -> Iterator[Publisher]:
    """A publisher whose addresses begin with ``root``."""
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    publisher.root = f"http://127.0.0.1:{server.server_port}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
