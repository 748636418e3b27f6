# SPDX-License-Identifier: Apache-2.0
"""Pictures of images with mask contours, and of predicted probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from monai_kd.utils.atomic_files import atomic_write

__all__ = ["GREEN", "RED", "comparison", "contour", "overlay", "reliability_diagram"]

GREEN = (0, 220, 0)
"""Color of the ground truth's contours."""
RED = (255, 40, 40)
"""Color of predicted contours."""


def contour(mask: npt.NDArray[np.bool_], width: int = 1) -> npt.NDArray[np.bool_]:
    """
    The pixels of a mask's inner boundary.

    Args:
        mask: shape (H, W).
        width: of the line, in pixels.

    Returns:
        Bool, shape (H, W).

    Example:
        >>> contour(np.ones((3, 3), dtype=bool)).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    inside: npt.NDArray[np.bool_] = ndimage.binary_erosion(mask, iterations=width, border_value=0)
    return mask & ~inside


def overlay(
    image: npt.NDArray[np.generic],
    masks: Sequence[tuple[npt.NDArray[np.generic], tuple[int, int, int]]],
    width: int | None = None,
) -> npt.NDArray[np.uint8]:
    """
    A gray image with the contours of masks in color.

    Args:
        image: shape (H, W), any range: its minimum becomes black and its maximum white.
        masks: pairs of a mask, shape (H, W), and its color; later ones are drawn over earlier ones.
        width: of the lines in pixels. Defaults to one pixel for every 200 pixels of the longer side.

    Returns:
        An RGB picture, shape (H, W, 3).

    Example:
        >>> overlay(np.zeros((8, 8)), [(np.eye(8), RED)]).shape
        (8, 8, 3)
    """
    gray = np.asarray(image, dtype=np.float32)
    low, high = float(gray.min()), float(gray.max())
    gray = (gray - low) / (high - low if high > low else 1.0) * 255
    picture = np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)
    line = width or max(1, round(max(gray.shape) / 200))
    for mask, color in masks:
        picture[contour(np.asarray(mask) > 0, line)] = color
    return picture


def comparison(
    records: Sequence[Mapping[str, Any]],
    overlays: Mapping[str, Path],
    scores: Sequence[Mapping[str, float]],
    path: Path,
) -> None:
    """
    Draw images, their ground truth and each model's contours side by side.

    Args:
        records: the images to show, each with ``image``, ``label`` and ``id``.
        overlays: for each model's name, the folder of its pictures ``<id>.png`` (ground truth green, prediction red).
        scores: for each model in the same order, the Dice of every image by id.
        path: the PNG to write.
    """
    from matplotlib.figure import Figure  # slow to import, and needed only here

    columns = 2 + len(overlays)
    figure = Figure(figsize=(3 * columns, 2.5 * len(records)), layout="constrained")
    axes = figure.subplots(len(records), columns, squeeze=False)
    for row, record in zip(axes, records, strict=True):
        image = np.asarray(Image.open(record["image"]).convert("L"))
        truth = np.asarray(Image.open(record["label"]).convert("L")) > 0
        pictures = [overlay(image, []), overlay(image, [(truth, GREEN)])]
        pictures += [np.asarray(Image.open(folder / f"{record['id']}.png")) for folder in overlays.values()]
        titles = ["image", "ground truth"]
        titles += [f"{name}: {100 * score[record['id']]:.0f} %" for name, score in zip(overlays, scores, strict=True)]
        for axis, picture, title in zip(row, pictures, titles, strict=True):
            axis.imshow(picture)
            axis.set_title(title, fontsize=15)
            axis.set_axis_off()
    figure.suptitle("Ground truth green, prediction red; Dice above each picture", fontsize=16)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80)


def reliability_diagram(
    probability: Sequence[float], frequency: Sequence[float], count: Sequence[float], name: str, path: Path
) -> None:
    """
    Draw how often a class is true against its predicted probability: on the diagonal, the probabilities are right.

    Each bin has its 95 % interval (Wilson 1927), which is wide where there are few images.

    Args:
        probability: mean predicted probability in each bin; the bins have equal width. NaN for an empty bin.
        frequency: share of the class in each bin, 0 to 1.
        count: number of images in each bin, drawn below.
        name: of the class, for the axis labels.
        path: the PNG to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    from scipy import stats

    figure = Figure(figsize=(4.5, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    above.plot([0, 1], [0, 1], "--", color="0.6", label="calibrated")
    for place, share, images in zip(probability, frequency, count, strict=True):
        if images:
            low, high = stats.binomtest(round(share * images), int(images)).proportion_ci(method="wilson")
            above.plot([place, place], [low, high], color="tab:blue", alpha=0.4)
    above.plot(probability, frequency, "o", color="tab:blue", label="images of one bin, 95 % interval")
    above.set_aspect("equal")
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=f"share that is {name}")
    figure.legend(loc="outside upper center", ncols=2)
    edges = np.linspace(0, 1, len(count) + 1)
    below.bar(edges[:-1], count, width=np.diff(edges), align="edge", color="tab:blue", edgecolor="white")
    below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    below.set(xlabel=f"probability of {name}", ylabel="images")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
