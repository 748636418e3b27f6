# SPDX-License-Identifier: Apache-2.0
"""The layout of a folder, how it was recognized, and the notes of its reader."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monai_kd.data.layouts import LAYOUTS, find_dataset, read_dataset
from monai_kd.data.records.record import Layout, Record


@dataclass
class Reading:
    """The result of reading a folder; ``Inspection`` explains the fields."""

    layout: str = ""
    folder: str = ""
    because: str = ""
    lacking: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_folder(root: str | Path, layout: str | Layout | None) -> Reading:
    """
    Read a data set; errors of the reader become problems, and its warnings become remarks.

    A missing ``root`` raises a FileNotFoundError.
    """
    folder = Path(root).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"No folder {root}. Give the folder of the data set.")
    reading = Reading()
    try:
        found, start = find_dataset(folder, layout)
    except ValueError as error:
        reading.problems.append(str(error))
        return reading
    reading.layout, reading.folder = found.name, str(start)
    reading.because = found.missing(start / "nothing")
    reading.lacking = {other.name: other.missing(start) for other in LAYOUTS if other.name != found.name}
    with _listening() as reading.remarks:
        try:
            reading.records = read_dataset(folder, layout)
        except (ValueError, OSError) as error:
            reading.problems.append(str(error))
    return reading


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect the logs and warnings of the readers, instead of showing them."""
    logger, listener = logging.getLogger("monai_kd.data"), _Listener()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield listener.heard
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate
        listener.heard += dict.fromkeys(str(warning.message) for warning in caught)
