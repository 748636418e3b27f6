# SPDX-License-Identifier: Apache-2.0
"""The figure of docs/label.md: an image, its mask and correction, and an unseen image before and after the training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

Pixels = npt.NDArray[np.generic]  # (rows, columns)

WIDTH, DPI, COLORS = 4.8, 130, 224  # inches; colors of the palette, because speckle makes a PNG large
STYLE = {"font.size": 8.5}  # letters that can be read on a phone of 400 pixels
TRUTH, STUDENT = "#3bd16f", "#ff9f1c"


class Answer(NamedTuple):
    """An image, its label, and the student's mask of it."""

    image: Pixels
    label: Pixels
    mask: Pixels

    @property
    def dice(self) -> float:
        """Of the mask; 0 where neither has a lesion."""
        label, mask = self.label > 0, self.mask > 0
        both = int(label.sum() + mask.sum())
        return 2 * int((label & mask).sum()) / both if both else 0.0


def draw(labelled: Mapping[str, Answer], before: Mapping[str, Answer], after: Mapping[str, Answer]) -> Figure:
    """
    Two rows: the labelled image whose Dice, and the image kept aside whose gain of Dice, is nearest to the mean.

    Args:
        labelled: the annotator's images with the masks that the student proposed.
        before: images kept aside, with the masks of the student in service before the first training.
        after: the same, after the last training.
    """
    first = labelled[_typical({key: answer.dice for key, answer in labelled.items()})]
    key = _typical({key: after[key].dice - before[key].dice for key in before})
    old, new = before[key], after[key]
    rows: Sequence[Sequence[tuple[str, Answer, bool, bool]]] = (
        (
            ("1. The image", first, False, False),
            (f"2. The student's mask\nDice {first.dice:.2f}", first, False, True),
            ("3. The annotator's\ncorrection", first, True, False),
        ),
        (
            ("4. An image that was\nkept aside", old, True, False),
            (f"5. Before training\nDice {old.dice:.2f}", old, True, True),
            (f"6. After training\nDice {new.dice:.2f}", new, True, True),
        ),
    )
    heights = [answer.image.shape[0] / answer.image.shape[1] for answer in (first, old)]
    figure = Figure(figsize=(WIDTH, sum(heights) * WIDTH / 3 + 1.1), layout="constrained")
    for row, axes_of_row in zip(rows, figure.subplots(2, 3, height_ratios=heights), strict=True):
        for panel, axes in zip(row, axes_of_row, strict=True):
            _panel(axes, *panel)
    lines = [Line2D([], [], color=color) for color in (TRUTH, STUDENT)]
    figure.legend(lines, ["label", "student's mask"], loc="outside lower center", ncols=2, frameon=False)
    return figure


def _typical(values: Mapping[str, float]) -> str:
    """The key of the value nearest to the mean, so that nobody chooses what is shown."""
    mean = fmean(values.values())
    return min(values, key=lambda key: (abs(values[key] - mean), key))


def _panel(axes: Axes, title: str, answer: Answer, has_label: bool, has_mask: bool) -> None:
    axes.imshow(answer.image, cmap="gray", vmin=0, vmax=255)
    for values, color, is_shown in ((answer.label, TRUTH, has_label), (answer.mask, STUDENT, has_mask)):
        if is_shown and (values > 0).any():
            axes.contour(values > 0, levels=[0.5], colors=color, linewidths=1.4)
    axes.set_title(title, fontsize=8.5)
    axes.set_axis_off()


def save(labelled: Mapping[str, Answer], before: Mapping[str, Answer], after: Mapping[str, Answer], path: Path) -> None:
    """Draw, and save with a small palette."""
    drawn = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        draw(labelled, before, after).savefig(drawn, dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(COLORS).save(path, optimize=True)
