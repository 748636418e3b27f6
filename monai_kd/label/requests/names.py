# SPDX-License-Identifier: Apache-2.0
"""Names and notes that come from a client."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from fastapi import HTTPException
from pydantic_core import from_json

__all__ = ["is_plain_name", "is_tag", "require_info", "require_name", "require_tag"]

MAX_BYTES = 200  # file systems take 255, and a suffix and the mark of an unfinished file must have room
NEVER = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, ends of lines
MOST_NOTES = 2**16  # bytes of one image's or label's
LEVELS = 8  # of brackets around the notes in datastore_v2.json, and to spare
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def is_plain_name(name: object) -> bool:
    """
    Whether a file may be called so: no path, nothing hidden, nothing that a config would evaluate, no control
    characters, not longer than 200 bytes.

    Args:
        name: as the client gave it.

    Example:
        >>> [is_plain_name(name) for name in ("benign (1)", "case.001", "Ärztin", "../x", ".lock", "$x", "a\\n", "")]
        [True, True, True, False, False, False, False, False]
    """
    return (
        isinstance(name, str)
        and bool(name.strip())
        and not name.startswith((".", "$", "@", "%"))
        and not any(letter in "/\\" or unicodedata.category(letter) in NEVER for letter in name)
        and len(name.encode()) <= MAX_BYTES
    )


def is_tag(tag: object) -> bool:
    """
    Whether labels may have this tag: a word.

    Args:
        tag: as the client gave it.
    """
    return isinstance(tag, str) and TAG.fullmatch(tag) is not None


def require_name(name: object, what: str) -> str:
    """
    A client's name for a file, if it is plain.

    Args:
        name: as the client gave it.
        what: is called so, for the message.

    Returns:
        The name.

    Raises:
        HTTPException: 400, when it is not.
    """
    if isinstance(name, str) and is_plain_name(name):
        return name
    raise HTTPException(
        status_code=400,
        detail=f"{what} must be a plain file name of at most {MAX_BYTES} bytes, without '/', '\\', control characters "
        f"or a leading '.', '$', '@' or '%', got {repr(name)[:80]}. Choose another.",
    )


def require_tag(tag: object) -> str:
    """
    A client's tag for labels, if it is a plain word.

    Args:
        tag: as the client gave it.

    Returns:
        The tag.

    Raises:
        HTTPException: 400, when it is not.
    """
    if isinstance(tag, str) and is_tag(tag):
        return tag
    raise HTTPException(
        status_code=400,
        detail="A label's tag must be a word of at most 64 letters, digits, '-' and '_' of ASCII, got "
        f"{repr(tag)[:80]}. The annotator's labels have the tag 'final'.",
    )


def require_info(info: object) -> dict[str, Any]:
    """
    What a client notes of an image or a label, as JSON that is read again: else nobody could list the study any more.

    Args:
        info: a dictionary, or None.

    Returns:
        The notes as they are read again.

    Raises:
        HTTPException: 400, for anything else, numbers that are none, halves of characters, too many brackets, or more
            than 64 KiB.
    """
    if info is not None and not isinstance(info, dict):
        raise HTTPException(status_code=400, detail=f"The notes must be a JSON object, got {repr(info)[:80]}.")
    try:
        content = json.dumps(info or {}, default=str, allow_nan=False)
        from_json("[" * LEVELS + content + "]" * LEVELS)
    except (TypeError, ValueError, RecursionError) as error:
        raise HTTPException(status_code=400, detail=f"The notes cannot be kept as JSON: {error}. Mend them.") from error
    if len(content) > MOST_NOTES:
        raise HTTPException(400, f"The notes have {len(content)} bytes; at most {MOST_NOTES} are kept. Shorten them.")
    notes: dict[str, Any] = json.loads(content)
    return notes
