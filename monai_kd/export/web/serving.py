# SPDX-License-Identifier: Apache-2.0
"""A server of the page for programs of this machine."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["HOST", "page_server"]

HOST = "127.0.0.1"
HEADERS = {
    # Only an isolated page has several threads in WebAssembly.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'self'",  # the rest is in the page itself
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _PageHandler(SimpleHTTPRequestHandler):
    extensions_map = {  # not the system's table, which may say that JavaScript is text
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        "": "application/octet-stream",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal shows the address alone."""


def page_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """
    A server of a folder at 127.0.0.1, which has its port already; ``serve_forever`` runs it.

    Args:
        folder: the page and the files that it loads; nothing outside it is served.
        port: 0 for any that is free.

    Raises:
        ValueError: When the port cannot be used.
    """

    def handler(*arguments: Any) -> _PageHandler:
        return _PageHandler(*arguments, directory=str(folder))

    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ValueError(
            f"Port {port} at {HOST} cannot be used: {error.strerror}. End the other server, or choose another --port."
        ) from error
