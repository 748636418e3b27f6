# SPDX-License-Identifier: Apache-2.0
"""The test images on which a model does worst, and what went wrong there."""

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
    What a model made of one image.

    Args:
        dice: between 0 and 1.
        picture: the image with the contour of the ground truth in green and the predicted one in red.
        share: of the image's area that its lesion takes.
    """

    dice: float
    picture: Picture
    share: float

    @property
    def error(self) -> str:
        """
        What went wrong, in words.

        The predicted area is what the red contours enclose; contours are closed, and nothing else in a picture is red.
        """
        found = ndimage.binary_fill_holes((self.picture == RED).all(axis=-1)).mean()
        if self.dice == 0:
            return "found elsewhere" if found else "nothing found"
        return f"{found / self.share:.1f} × its area"


def worst_images(scores: Scores, shares: Mapping[str, float], count: int) -> list[tuple[str, str]]:
    """
    The images on which a model's Dice is lowest, as the mean of the runs that tested it, the worst first.

    Args:
        scores: of the model.
        shares: of the image's area that is lesion, by image: of equal scores, the larger lesion comes first.
        count: how many.

    Returns:
        Each image with the run, split and seed, in which it fared worst.

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
    """
    A model's answer on an image.

    Args:
        output_dir: the study's folder.
        row: the model's.
        scores: of the row.
        image: its id, and the run.
        share: of the image's area that its lesion takes.

    Returns:
        None where the model was not tested on it, or its picture was not drawn or is gone.
    """
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
    """
    A line for each image: what it shows, and what each model made of it.

    Args:
        images: ids, each with the run.
        records: by id.
        answers: of each model, one for each image.
        shares: of the image's area that is lesion, by image.

    Returns:
        The table.
    """
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
            "Lowest Dice first, by the mean of an image's runs; shown is its worst run, <split>-<seed>. '2.0 × its "
            "area': the contours that were predicted enclose twice the lesion's area.",
        ),
    )


def draw_failures(
    images: Sequence[tuple[str, str]],
    records: Mapping[str, Record],
    answers: Mapping[str, Sequence[Answer | None]],
    shares: Mapping[str, float],
    path: Path,
) -> None:
    """
    Draw each image in a column: as it is, and below it the contours of each model.

    Args:
        images: ids, each with the run.
        records: by id.
        answers: of each model, one for each image.
        shares: of the image's area that is lesion, by image.
        path: the PNG to write.
    """
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
