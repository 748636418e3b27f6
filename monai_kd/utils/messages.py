# SPDX-License-Identifier: Apache-2.0
"""What messages are made of: another library's error in brief, the name that was meant, the first of a list."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["closest", "first_cause", "first_few", "first_line"]


def first_line(error: BaseException) -> str:
    """
    The first line of an error's message that says something, or else its kind; torch goes on with its C++ calls.

    Colors for a terminal are left out.

    Args:
        error: any.

    Example:
        >>> first_line(RuntimeError("shape mismatch\\nException raised from …")), first_line(MemoryError())
        ('shape mismatch', 'MemoryError')
    """
    text = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def first_cause(error: BaseException, kinds: tuple[type[BaseException], ...] = ()) -> BaseException:
    """
    What went wrong first: MONAI wraps errors of a config's components into its own.

    Args:
        error: one that others may be behind.
        kinds: the search ends at an error of one of these, ``error`` itself included: what is behind a message of our
            own says less. Where there is none, and by default, it ends at the last.

    Example:
        >>> try:
        ...     raise RuntimeError("cannot be made") from TypeError("no such argument")
        ... except RuntimeError as error:
        ...     first_cause(error)
        TypeError('no such argument')
    """
    while error.__cause__ is not None and not isinstance(error, kinds):
        error = error.__cause__
    return error


def first_few(items: Iterable[object], count: int = 5, separator: str = ", ") -> str:
    """
    The first items in words, and how many more there are.

    Args:
        items: any; ``str`` is said of each.
        count: of items that are said.
        separator: between two of them.

    Example:
        >>> first_few("abc"), first_few("abc", 2), first_few("abc", 2, "; ")
        ('a, b, c', 'a, b and 1 more', 'a; b; and 1 more')
    """
    listed = [str(item) for item in items]
    more = f"{separator.strip(', ')} and {len(listed) - count} more" if len(listed) > count else ""
    return separator.join(listed[:count]) + more


def closest(name: str, names: Iterable[str]) -> str:
    """
    The most similar of some names, for a message.

    Args:
        name: as the user wrote it.
        names: those that there are, one at least.

    Example:
        >>> closest("max_epoch", ["max_epochs", "seed"])
        'max_epochs'
    """
    return difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
