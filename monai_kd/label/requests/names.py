# SPDX-License-Identifier: Apache-2.0
"""Checks of names and notes from a client."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import DefaultLabelTag
from pydantic_core import from_json

from monai_kd.utils.messages import closest

__all__ = ["is_plain_name", "is_tag", "require_info", "require_name", "require_tag", "unknown_image"]

MAX_BYTES = 200  # file systems allow 255, and the suffix and the name of a temporary file need space
NEVER = {"Cc", "Cs", "Zl", "Zp"}  # control characters, half characters (surrogates), line ends
MOST_NOTES = 2**16  # bytes for one image or label
LEVELS = 8  # more than the brackets around the notes in datastore_v2.json
OWN_TAGS = {tag.value for tag in DefaultLabelTag}  # final and original
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


def is_plain_name(name: object) -> bool:
    """
    Whether a file may have this name: no path, not hidden, not evaluated in a config, no control characters, and at
    most 200 bytes.

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
    """Whether labels may have this tag: a word of ASCII letters, digits, '-' and '_'."""
    return isinstance(tag, str) and TAG.fullmatch(tag) is not None


def require_name(name: object, what: str) -> str:
    """Return a client's file name, or answer 400 if it is not plain; ``what`` names its purpose in the message."""
    if isinstance(name, str) and is_plain_name(name):
        return name
    raise HTTPException(
        status_code=400,
        detail=f"{what} must be a plain file name of at most {MAX_BYTES} bytes, without '/', '\\', control characters "
        f"or a leading '.', '$', '@' or '%', got {repr(name)[:80]}. Choose another.",
    )


def require_tag(tag: object) -> str:
    """Return a client's tag for labels, or answer 400 if it is no plain word, or 'final' or 'original' in capitals."""
    if isinstance(tag, str) and is_tag(tag):
        if tag not in OWN_TAGS and tag.lower() in OWN_TAGS:
            raise HTTPException(400, f"The tag {tag!r} is not {tag.lower()!r}. Write it in small letters.")
        return tag
    raise HTTPException(
        status_code=400,
        detail="A label's tag must be a word of at most 64 letters, digits, '-' and '_' of ASCII, got "
        f"{repr(tag)[:80]}. The annotator's labels have the tag 'final'.",
    )


def unknown_image(name: object, known: Collection[str]) -> str:
    """
    What to say of an image's id that the study does not have.

    Example:
        >>> unknown_image("case004.png", ["case004", "case005"])
        "No image 'case004.png' among the study's 2. Closest: 'case004'."
    """
    near = f" Closest: {closest(str(name)[:80], known)!r}." if known else ""
    return f"No image {repr(name)[:80]} among the study's {len(known)}.{near}"


def require_info(info: object) -> dict[str, Any]:
    """
    A client's notes (a dictionary or None) after a round trip through JSON, because broken notes would make the study
    unreadable.

    Raises:
        HTTPException: 400, for anything else, NaN, half characters, deep nesting, or more than 64 KiB.
    """
    if info is not None and not isinstance(info, dict):
        raise HTTPException(status_code=400, detail=f"The notes must be a JSON object, got {repr(info)[:80]}.")
    try:
        content = json.dumps(info or {}, default=str, allow_nan=False)
        from_json("[" * LEVELS + content + "]" * LEVELS)
    except (TypeError, ValueError, RecursionError) as error:
        raise HTTPException(400, f"The notes cannot be kept as JSON: {error}. Correct them.") from error
    if len(content) > MOST_NOTES:
        raise HTTPException(400, f"The notes have {len(content)} bytes; at most {MOST_NOTES} are kept. Shorten them.")
    notes: dict[str, Any] = json.loads(content)
    return notes
