# SPDX-License-Identifier: Apache-2.0
"""Dice of a student's forms on test images."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.benchmark.candidates import Candidate
from monai_kd.data.image_files.reading import read_mask
from monai_kd.export.folder import Exported
from monai_kd.export.graph import Segmenter, segmenter
from monai_kd.export.images import DataSet, raw_pixels

__all__ = ["mean_dice"]


def mean_dice(
    exported: Exported, rows: Sequence[Candidate], data: DataSet, tell: Callable[[str, int | None], None]
) -> dict[str, float]:
    """
    Dice of every trained row, mean over the test images with a lesion, at the images' own sizes.

    The data set's masks tell a lesion from what is none; so every class but the background counts as lesion.

    Args:
        exported: a student, whose bundle loads the images.
        rows: to score; untrained ones are left out.
        data: has the test part.
        tell: called with "Dice" and the number of images, for each.

    Returns:
        By row, 0 to 1.

    Raises:
        ValueError: When there is no mask to score, or no test image with a lesion.
    """
    bundle = exported.bundle
    module = segmenter(bundle, bundle.network(), bool(exported.report["raw"]))
    if not isinstance(module, Segmenter) or module.outputs[0] != "mask" or len(bundle.input_shape) != 4:
        raise ValueError("Only exports whose output is a mask of pictures can be scored. Leave out --dataset-dir.")
    records = data.parts()["test"]
    trained = {row.name: row.load(None) for row in rows if row.reference is not None}
    dice: dict[str, list[float]] = {name: [] for name in trained}
    for record in records:
        tell("Dice", len(records))
        label = read_mask(record["label"], record.get("frame")).numpy()[0] > 0
        if not label.any():
            continue
        image = raw_pixels(bundle, record)
        for name, run in trained.items():
            mask = _lesion(run(image)["mask"][0], bundle.classes).T  # rows first, whatever the reader does; labels not
            dice[name].append(2 * float((mask & label).sum()) / float(mask.sum() + label.sum()))
    if not all(dice.values()):
        raise ValueError(f"No test image of {data.folder} has a lesion to score. Leave out --dataset-dir.")
    return {name: statistics.mean(values) for name, values in dice.items()}


def _lesion(mask: npt.NDArray[Any], classes: Mapping[str, str]) -> npt.NDArray[Any]:
    """Where any class but the background is, of a map of classes (H, W) or a mask for each (C, H, W)."""
    if mask.ndim == 3:
        channels = [number for number in range(len(mask)) if classes.get(str(number), "").lower() != "background"]
        mask = np.any(mask[channels], axis=0)
    return mask > 0
