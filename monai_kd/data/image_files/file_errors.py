# SPDX-License-Identifier: Apache-2.0
"""Every error of a file as a ValueError that names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ITK_OBJECT = re.compile(r"^ITK ERROR: \w+\(0x[0-9a-f]+\): ")  # with its address in memory


class UnsuitableError(ValueError):
    """An intact file that cannot be used; the message goes on from the file's name and says the remedy."""


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """
    Turn whatever is raised while a file is read into a ValueError with the file's name, reason and remedy.

    Raises:
        ValueError: In place of any other error.

    Example:
        >>> with naming("1.png"):
        ...     raise OSError("broken data stream")
        Traceback (most recent call last):
        ValueError: 1.png cannot be decoded (broken data stream). It is damaged or of an unusual kind: copy it again, \
or export it as gray values.
    """
    try:
        yield
    except UnsuitableError as error:
        raise ValueError(f"{path} {error}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large ({error}). If it is not damaged, export it smaller.") from None
    except Exception as error:  # each format's library has its own errors for a damaged file
        # ITK's messages begin with the place in its source, which ends with a colon.
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line.rstrip(".") for line in lines if line and not line.endswith(":")), type(error).__name__)
        reason = ITK_OBJECT.sub("", reason)
        raise ValueError(
            f"{path} cannot be decoded ({reason}). It is damaged or of an unusual kind: copy it again, or export it "
            "as gray values."
        ) from None
