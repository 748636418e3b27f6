# SPDX-License-Identifier: Apache-2.0
"""Files that come from a client, before they are kept."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fastapi import HTTPException

from monai_kd.data.formats import SUFFIXES, suffix_of
from monai_kd.data.headers import read_header
from monai_kd.data.images import read_image
from monai_kd.data.readers import mask_values
from monai_kd.data.records import first_few

__all__ = ["is_received", "require_image", "require_label", "require_suffix", "thrown_away"]

RECEIVED = re.compile(r"tmp\w{8}(\..*)?", re.DOTALL)  # as Python's tempfile names what the server receives
MASK_VALUES: tuple[set[float], ...] = ({0, 1}, {0, 255})


def is_received(path: Path) -> bool:
    """
    Whether a file is where, and called as, the server keeps what came with a request.

    Args:
        path: of a file.
    """
    return path.parent == Path(tempfile.gettempdir()) and RECEIVED.fullmatch(path.name) is not None


def require_suffix(file: Path, what: str, taken: Collection[str] = SUFFIXES) -> str:
    """
    The suffix of a client's file, in lower case, if it is of a format that is taken.

    Args:
        file: as it was uploaded.
        what: it is, for the message.
        taken: suffixes.

    Returns:
        The suffix.

    Raises:
        HTTPException: 400, when it is of another format.
    """
    suffix = suffix_of(file)
    if suffix in taken:
        return suffix
    got = suffix or file.suffix[:16]
    raise HTTPException(
        status_code=400,
        detail=f"{what} is a file {f'with the suffix {got!r}' if got else 'without a suffix'}. "
        f"Convert it to one of {', '.join(taken)}.",
    )


def require_image(file: Path, what: str) -> None:
    """
    Check that a client's file can be read as an image.

    Args:
        file: as it was uploaded.
        what: the image is called, for the message.

    Raises:
        HTTPException: 400, when it cannot.
    """
    with _refused({file: what}):
        read_image(file, 0 if read_header(file).is_loop else None)


def require_label(file: Path, image: Path, what: str) -> None:
    """
    Check that a client's file can be read as a mask on an image's grid, of 0 and 1 or 0 and 255, or of 0 alone, which
    says that there is no lesion.

    The data sets' own reader takes more (blurred masks, one segment of any number); here someone is there to ask.

    Args:
        file: of the label, as it was uploaded.
        image: its image's file.
        what: the label is called, for the message.

    Raises:
        HTTPException: 400, when it cannot, or lies on another grid, or has other values.
    """
    with _refused({file: what, image: "its image"}):
        size, wanted = read_header(file).shape, read_header(image).shape
        if size != wanted:
            raise ValueError(
                f"{what} is {_by(size)} pixels but its image is {_by(wanted)}. Save it on the grid of the image: in "
                "3D Slicer choose the image as the segmentation's reference volume."
            )
        values = np.unique(mask_values(file)[0])
        if not any(set(values.tolist()) <= allowed for allowed in MASK_VALUES):
            raise ValueError(
                f"{what} holds the values {first_few(f'{value:g}' for value in values)}. A label is 0 outside the "
                "lesion and 1 (or 255) inside: save one segment, 'lesion'."
            )


@contextmanager
def thrown_away(file: Path) -> Iterator[None]:
    """
    Remove what a client sent if the request is refused: the server itself does so after an answer without an error
    alone.

    Args:
        file: a file or folder where the server put it; outside the folder for temporary files it is left alone.
    """
    try:
        yield
    except BaseException:
        if file.parent == Path(tempfile.gettempdir()) and file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        elif file.parent == Path(tempfile.gettempdir()):
            file.unlink(missing_ok=True)
        raise


@contextmanager
def _refused(names: Mapping[Path, str]) -> Iterator[None]:
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        for path, name in names.items():  # the server's own paths say nothing to a client
            text = text.replace(repr(str(path)), name).replace(str(path), name)
        raise HTTPException(status_code=400, detail=text) from error


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
