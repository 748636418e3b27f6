# SPDX-License-Identifier: Apache-2.0
"""Parts of error messages: the cause of another library's error, the closest known name, the first of a list."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["closest", "first_cause", "first_few", "first_line", "is_of_shapes", "is_own", "option"]

# Torch's messages about an input that a layer cannot take.
_OF_SHAPES = re.compile(
    r"expected input|[Ee]xpected .*D .*input|[Ss]izes? of tensors?|shapes cannot be multiplied|must match"
)


def first_line(error: BaseException) -> str:
    """
    The first line of an error's message that is not empty, without terminal colors; the error's class if there is none.

    The rest of a torch message is its C++ stack.

    Example:
        >>> first_line(RuntimeError("shape mismatch\\nException raised from …")), first_line(MemoryError())
        ('shape mismatch', 'MemoryError')
    """
    text = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def is_of_shapes(error: BaseException) -> bool:
    """
    Whether torch says that a layer cannot take an input of this shape.

    Example:
        >>> is_of_shapes(RuntimeError("expected input[1, 3, 8, 8] to have 1 channels")), is_of_shapes(MemoryError())
        (True, False)
    """
    return _OF_SHAPES.search(str(error)) is not None


def first_cause(error: BaseException, kinds: tuple[type[BaseException], ...] = ()) -> BaseException:
    """
    The original error: MONAI wraps errors of a config's components into its own.

    Args:
        kinds: stop at the first error of one of these classes, which may be ``error`` itself. Our own messages say more
            than the errors behind them. Defaults to (): go back to the last cause.

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


def is_own(error: BaseException) -> bool:
    """
    Whether this package raised an error, and not a library that it called: its message then says what to do.

    Example:
        >>> is_own(ValueError("not raised here"))
        False
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, ValueError | OSError | ImportError) and module.split(".")[0] == "monai_kd"


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
    """The name most similar to what the user wrote, for a message; ``names`` holds at least one."""
    return difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]


def option(name: str) -> str:
    """
    The option of a command that sets an id of a config, as the help shows it: with dashes, but inside of components.

    Example:
        >>> option("max_epochs"), option("train#dataset#cache_rate")
        ('--max-epochs', '--train#dataset#cache_rate')
    """
    return f"--{name if '#' in name else name.replace('_', '-')}"
