# SPDX-License-Identifier: Apache-2.0
"""File names from ids: valid on every system, and different for different ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # on Windows or elsewhere


def readable_names(ids: Sequence[str]) -> list[str]:
    """
    Keep ids, including Unicode, spaces and parentheses; replace only what file names must not contain.

    Example:
        >>> readable_names(["benign (1)", "Ärztin/1", ".hidden", "A", "a"])
        ['benign (1)', 'Ärztin_1', '_hidden', 'A', 'a_2']
    """
    return _different(ids, lambda key: FORBIDDEN.sub("_", re.sub(r"^\.|[. ]+$", "_", key)))


def names_without_dots(ids: Sequence[str]) -> list[str]:
    """``readable_names`` without dots, for programs that take everything after the first dot for the format."""
    return _different(ids, lambda key: FORBIDDEN.sub("_", key.replace(".", "_").rstrip()))


def plain_names(ids: Sequence[str]) -> list[str]:
    """Reduce ids to the letters, digits, ``-`` and ``_`` of ASCII: "bénign (1)" becomes "benign_1"."""
    return _different(ids, _plain)


def numbers(ids: Sequence[str]) -> list[str]:
    """Six-digit numbers from 000001, as in Dataset_A."""
    return [f"{number:06}" for number in range(1, len(ids) + 1)]


def _plain(key: str) -> str:
    letters = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", letters).strip("_")


def _different(ids: Sequence[str], clean: Callable[[str], str]) -> list[str]:
    """Cleaned ids; one that equals an earlier one, apart from case or accents, gets a number."""
    names: list[str] = []
    taken: set[str] = set()
    for key in ids:
        name = wanted = clean(unicodedata.normalize("NFC", key)) or "case"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names
