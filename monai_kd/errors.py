# SPDX-License-Identifier: Apache-2.0
"""What other libraries' errors say, in brief."""

from __future__ import annotations

__all__ = ["first_cause", "first_line"]


def first_line(error: BaseException) -> str:
    """
    The first line of an error's message that says something, or else its kind; torch goes on with its C++ calls.

    Example:
        >>> first_line(RuntimeError("shape mismatch\\nException raised from …")), first_line(MemoryError())
        ('shape mismatch', 'MemoryError')
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def first_cause(error: BaseException) -> BaseException:
    """
    What went wrong first: MONAI wraps errors of a config's components into its own.

    Example:
        >>> try:
        ...     raise RuntimeError("cannot be made") from TypeError("no such argument")
        ... except RuntimeError as error:
        ...     first_cause(error)
        TypeError('no such argument')
    """
    while error.__cause__ is not None:
        error = error.__cause__
    return error
