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
from monai_kd.export.export_folder import Exported
from monai_kd.export.graph import Segmenter, segmenter
from monai_kd.export.sample_images import DataSet, raw_pixels

__all__ = ["mean_dice"]


def mean_dice(
    exported: Exported, rows: Sequence[Candidate], data: DataSet, tell: Callable[[str, int | None], None]
) -> dict[str, float]:
    """
    Dice of every trained row, 0 to 1: the mean over the test images with a lesion, at the images' original sizes.

    The data set's masks have only one class, so every class except the background counts as lesion.

    Raises:
        ValueError: When the output is not a mask, or no test image has a lesion.
    """
    bundle = exported.bundle
    module = segmenter(bundle, bundle.network(), bool(exported.report["raw"]))
    if not isinstance(module, Segmenter) or module.outputs[0] != "mask" or len(bundle.input_shape) != 4:
        raise ValueError(
            f"'{exported.folder}': Dice needs an export that gives masks of pictures. Leave out --dataset-dir."
        )
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
            mask = _lesion(run(image)["mask"][0], bundle.classes).T  # an export has rows first, a label columns first
            dice[name].append(2 * float((mask & label).sum()) / float(mask.sum() + label.sum()))
    if not all(dice.values()):
        raise ValueError(f"'{data.folder}': no test image has a lesion, so there is no Dice. Leave out --dataset-dir.")
    return {name: statistics.mean(values) for name, values in dice.items()}


def _lesion(mask: npt.NDArray[Any], classes: Mapping[str, str]) -> npt.NDArray[Any]:
    """Where the class is not the background, in a map of classes (H, W) or in one mask for each class (C, H, W)."""
    if mask.ndim == 3:
        channels = [number for number in range(len(mask)) if classes.get(str(number), "").lower() != "background"]
        mask = np.any(mask[channels], axis=0)
    return mask > 0
