# SPDX-License-Identifier: Apache-2.0
"""Notes on images and labels: which a client may write, and which of the server's own are valid."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import HTTPException

__all__ = ["OWN", "SCORE", "SCORED_BY", "believable", "client_notes", "require_believable", "shown_at"]

SCORE, SCORED_BY = "disagreement", "disagreement_networks"
DAY = 24 * 60 * 60


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= time.time() + DAY


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_shown(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(shown, dict) and _is_time(shown.get("ts")) and _is_text(shown.get("client_id") or "")
        for shown in value.values()
    )


# The notes that the server, its scores and its active learning write, each with a check of its value.
OWN: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "name": _is_text,
    "path": _is_text,
    "user": _is_text,
    "ts": _is_time,
    "weight": _is_number,
    "strategy": _is_shown,
    SCORE: _is_number,
    SCORED_BY: _is_text,
    "dice": lambda value: value is None or _is_number(value),
    "dice_ts": lambda value: isinstance(value, list),
    "model": _is_text,
    "params": lambda value: isinstance(value, dict),
}


def client_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """A client's notes, or an answer 400 if a name is one of the server's own."""
    own = sorted(OWN.keys() & notes.keys())
    if own:
        raise HTTPException(
            400, f"The notes {', '.join(map(repr, own))} are the server's own. Choose other names for yours."
        )
    return dict(notes)


def believable(notes: Mapping[str, Any]) -> dict[str, Any]:
    """
    Notes without invalid values of the server's own notes, so that one broken file does not stop active learning.

    Example:
        >>> believable({"who": "me", "strategy": [1], "disagreement": "high", "name": "1.png"})
        {'who': 'me', 'name': '1.png'}
    """
    return {name: value for name, value in notes.items() if name not in OWN or OWN[name](value)}


def require_believable(notes: dict[str, Any]) -> dict[str, Any]:
    """The notes, or an answer 400 if one of the server's own is invalid."""
    broken = sorted(notes.keys() - believable(notes).keys())
    if broken:
        value = repr(notes[broken[0]])[:80]
        raise HTTPException(400, f"The note {broken[0]!r} is the server's own and cannot be {value}. Leave it out.")
    return notes


def shown_at(notes: Mapping[str, Any], strategy: str) -> float:
    """Time in seconds when a strategy last showed an image, from its valid notes; 0 for never."""
    return float(notes.get("strategy", {}).get(strategy, {}).get("ts", 0))
