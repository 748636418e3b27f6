# SPDX-License-Identifier: Apache-2.0
"""The study's folder before the server starts: whether it can be a study, and how many images it holds."""

from __future__ import annotations

import logging
from pathlib import Path

from monai_kd.data.layouts import LAYOUTS
from monai_kd.data.records.record import image_files

__all__ = ["require_study"]

logger = logging.getLogger(__name__)


def require_study(folder: Path) -> None:
    """
    Refuse a folder that is no study, and say in the log how many images it holds.

    Args:
        folder: holds the images themselves, not in subfolders. It may be empty: clients can send images.

    Raises:
        FileNotFoundError: When there is no such folder.
        ValueError: When it is a data set of another layout, whose masks would be taken as images, or not be found.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder of images at '{folder}'. Correct --studies, or make the folder.")
    layouts = [layout.name for layout in LAYOUTS if not layout.missing(folder)]
    if layouts and "monailabel" not in layouts:
        raise ValueError(
            f"'{folder}' is a data set with masks (layout {layouts[0]!r}); a study is a folder of images. Make one: "
            f"python -m monai_kd data convert {folder} --output-dir FOLDER --output-layout monailabel"
        )
    count = len(image_files(folder))
    note = "" if count else " Copy images into the folder itself (subfolders are not searched), or send them."
    logger.info("%d images in %s.%s", count, folder, note)
