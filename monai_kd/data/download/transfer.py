# SPDX-License-Identifier: Apache-2.0
"""
Download of one file, resumed if an earlier download was interrupted.

A data set of some 100 MB over a hospital's network needs more than MONAI's ``monai.apps.utils.download_url``, which
starts again after a break, compares no lengths, does not retry and does not check the disk space. Proxies from the
environment (``https_proxy`` …) are used, as always in ``urllib``.
"""

from __future__ import annotations

import http.client
import shutil
import ssl
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from monai_kd.data.download.partial_download import Origin, Partial

ATTEMPTS = 6
TIMEOUT = 60.0  # seconds without a byte
LONGEST_WAIT = 60.0  # seconds, whatever the server asks for
CHUNK = 1 << 18
PASSING = {408, 416, 425, 429, 500, 502, 503, 504}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Progress = Callable[[int, int], object]


class _BrokenOffError(Exception):
    """A failure that may be temporary: the next attempt resumes the download."""

    def __init__(self, reason: object, wait: float = 0.0) -> None:
        super().__init__(str(reason))
        self.wait = wait


def fetch(
    address: str,
    path: Path,
    size: int = 0,
    progress: Progress | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """
    Download a file to ``path``, completely or not at all; a partial download lies beside it as ``.part``.

    A partial download is resumed only if the server confirms that its file is unchanged (``If-Range`` with its ETag or
    date); otherwise it starts again.

    Args:
        address: https; http only on this machine. Redirections must be https as well.
        path: the file to write, in an existing folder.
        size: expected bytes, 0 if unknown.
        progress: called with the numbers of bytes so far and in all (0 if unknown).
        sleep: waits between attempts, in seconds.

    Raises:
        ValueError: When the address is not allowed, the server refuses or keeps failing, the length is wrong, or the
            disk is full. The message says how to continue.
    """
    _require_secure(address)
    partial = Partial(path)
    for attempt in range(ATTEMPTS):
        try:
            _attempt(address, partial, size, progress or (lambda *_: None))
            return
        except _BrokenOffError as error:
            if attempt == ATTEMPTS - 1:
                kept = f"{partial.size} bytes are kept in {partial.bytes}: run the same command again to resume"
                remedy = kept if partial.size else "Check the connection (and https_proxy) and run the command again"
                raise ValueError(f"{address} failed {ATTEMPTS} times, the last time: {error}. {remedy}.") from error
            sleep(min(max(2.0**attempt, error.wait), LONGEST_WAIT))


def _attempt(address: str, partial: Partial, size: int, progress: Progress) -> None:
    former = partial.origin()
    there = partial.size if former.address == address and former.validator else 0
    if there and there == former.size:  # the earlier run was interrupted after the last byte
        partial.finish()
        return
    headers = {"User-Agent": "monai_kd", "Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": former.validator}
    try:
        with build_opener(_SecureRedirects()).open(Request(address, headers=headers), timeout=TIMEOUT) as response:
            if response.status == 206:
                _require_continuation(response.headers, there, former, partial)
                total = former.size
            else:
                there, total = 0, response.length or 0
            _require_size(address, total, size)
            _require_space(partial.path.parent, total - there)
            if not there:
                partial.begin(Origin(address, _validator(response.headers), total))
            _receive(response, partial, total, progress)
    except HTTPError as error:
        raise _refusal(error, address, partial) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ValueError(
                f"{address}: the server's certificate is not valid ({reason.verify_message}). Nothing was downloaded. "
                "Try later, or download the file in a browser and unpack it."
            ) from error
        raise _BrokenOffError(reason) from error
    if partial.size < (size or total):
        raise _BrokenOffError(f"the connection ended after {partial.size} of {size or total} bytes")
    partial.finish()


def _receive(response: http.client.HTTPResponse, partial: Partial, total: int, progress: Progress) -> None:
    there = partial.size
    progress(there, total)
    with partial.bytes.open("ab") as stream:
        while chunk := response.read(CHUNK):
            try:
                stream.write(chunk)
            except OSError as error:
                raise ValueError(
                    f"Cannot write {partial.bytes}: {error.strerror}. Free some space or choose another --output-dir."
                ) from error
            there += len(chunk)
            progress(there, total)


def _require_continuation(headers: Message, there: int, former: Origin, partial: Partial) -> None:
    expected = f"bytes {there}-{former.size - 1}/{former.size}"
    if not there or headers.get("Content-Range") != expected:
        partial.drop()
        raise _BrokenOffError(f"the server sent {headers.get('Content-Range')} instead of {expected}")


def _refusal(error: HTTPError, address: str, partial: Partial) -> Exception:
    if error.code == 416:
        partial.drop()
    if error.code in PASSING:
        wait = error.headers.get("Retry-After", "")
        return _BrokenOffError(f"HTTP {error.code} {error.reason}", float(wait) if wait.isdecimal() else 0.0)
    return ValueError(
        f"{address} answers HTTP {error.code} {error.reason}. The file may have moved. See the publisher's page, and "
        "download it in a browser."
    )


class _SecureRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_secure(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(f"{address} is not an https address. Downloads need encryption: use https.")


def _require_size(address: str, total: int, size: int) -> None:
    if size and total and total != size:
        raise ValueError(
            f"{address} offers {total} bytes, but the data set's file has {size}. It is another file. See the "
            "publisher's page."
        )


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{folder} has {free / 1e6:.0f} MB of free space, but {needed / 1e6:.0f} MB are needed. Free some space or "
            "choose another --output-dir."
        )


def _validator(headers: Message) -> str:
    tag = headers.get("ETag", "")
    # A weak tag only says "equivalent", which is not enough to join two parts.
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
