# SPDX-License-Identifier: Apache-2.0
"""The test images on which a model has the lowest scores, and what went wrong there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from monai_kd.data import LoadUltrasoundd, Record
from monai_kd.study.reporting.pictures import draw_panels
from monai_kd.study.results.scores import Scores, by_image
from monai_kd.utils.figures import RED, overlay
from monai_kd.utils.tables import Table

__all__ = ["Answer", "draw_failures", "failure_table", "read_answer", "worst_images"]

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """
    A model's prediction for one image.

    Args:
        dice: between 0 and 1.
        picture: the image with the true contour in green and the predicted contour in red.
        share: the lesion's share of the image's area, 0 to 1.
    """

    dice: float
    picture: Picture
    share: float

    @property
    def error(self) -> str:
        """
        What went wrong, in words.

        The predicted area is what the red contours enclose. They are closed, and nothing else in the picture is red.
        """
        found = ndimage.binary_fill_holes((self.picture == RED).all(axis=-1)).mean()
        if self.dice == 0:
            return "found elsewhere" if found else "nothing found"
        return f"{found / self.share:.1f} × its area"


def worst_images(scores: Scores, shares: Mapping[str, float], count: int) -> list[tuple[str, str]]:
    """
    The images on which a model has the lowest mean Dice over the runs that tested them, the worst first.

    If two scores are equal, the image with the larger ``shares``, the lesion's share of its area, comes first. Each
    image is returned with the run, ``"<split>-<seed>"``, in which it had its lowest score.

    Example:
        >>> dice = {"0-0": {"a": 0.5, "b": 0.0, "c": 0.9}, "1-0": {"a": 0.1, "d": 0.0}}
        >>> worst_images(Scores("Dice", dice), {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.3}, count=3)
        [('d', '1-0'), ('b', '0-0'), ('a', '1-0')]
    """
    means = by_image(scores.values, scores.values)
    names = sorted(means, key=lambda name: (means[name], -shares[name]))[:count]
    runs = {name: [run for run in scores.values if name in scores.values[run]] for name in names}
    return [(name, min(runs[name], key=lambda run: scores.values[run][name])) for name in names]


def read_answer(output_dir: Path, row: str, scores: Scores, image: tuple[str, str], share: float) -> Answer | None:
    """A model's prediction for an image, given by its id and run; None if it was not tested there or has no picture."""
    name, run = image
    path = output_dir / run / row / "evaluation" / "overlays" / f"{name}.png"
    if name not in scores.values.get(run, {}) or not path.is_file():
        return None
    return Answer(scores.values[run][name], np.asarray(Image.open(path).convert("RGB")), share)


def failure_table(
    images: Sequence[tuple[str, str]],
    records: Mapping[str, Record],
    answers: Mapping[str, Sequence[Answer | None]],
    shares: Mapping[str, float],
) -> Table:
    """One line for each image (id and run): its pathology and its lesion's share, and each model's result."""
    rows = [
        [name, str(records[name]["pathology"]), f"{100 * shares[name]:.3g}", run]
        + [_described(of_model[place]) for of_model in answers.values()]
        for place, (name, run) in enumerate(images)
    ]
    return Table(
        f"Worst test images of {next(iter(answers))}",
        ("image", "pathology", "lesion, % of the image", "run", *answers),
        rows,
        (
            "Images with the lowest mean Dice come first. The table shows each image's worst run, <split>-<seed>. "
            "'2.0 × its area': the predicted contours enclose twice the lesion's area.",
        ),
    )


def draw_failures(
    images: Sequence[tuple[str, str]],
    records: Mapping[str, Record],
    answers: Mapping[str, Sequence[Answer | None]],
    shares: Mapping[str, float],
    path: Path,
) -> None:
    """Draw one column for each image (id and run) into a PNG: the image itself, and below it each model's contours."""
    titles = [f"{name}\n{records[name]['pathology']}, {100 * shares[name]:.3g} % of the image" for name, _ in images]
    panels: list[tuple[str, Picture] | None] = [
        (title, overlay(_image(records[name]), [])) for title, (name, _) in zip(titles, images, strict=True)
    ]
    for model, of_model in answers.items():
        panels += [
            None if answer is None else (f"{model}\n{_described(answer)}", answer.picture) for answer in of_model
        ]
    draw_panels(panels, len(images), path)


def _described(answer: Answer | None) -> str:
    return "–" if answer is None else f"{100 * answer.dice:.0f} %, {answer.error}"


def _image(record: Record) -> npt.NDArray[Any]:
    # MONAI's index order is (W, H), a picture's is (H, W).
    image: npt.NDArray[Any] = LoadUltrasoundd("image")(record)["image"][0].numpy().T
    return image
