# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from monai_kd.handlers.each_image_once import ids_of_part, require_each_once
from monai_kd.handlers.evaluator_images import images_of
from monai_kd.handlers.undefined_metrics import mark_undefined
from monai_kd.metrics import calibration_bins, classification_metrics
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.figures import reliability_diagram
from monai_kd.utils.json_files import write_json
from monai_kd.utils.processes import gather, is_first_process

__all__ = ["ClassificationScoresHandler"]


class ClassificationScoresHandler:
    """
    Writes the predictions of a two-class evaluator, their metrics, and a reliability diagram.

    ``scores.csv`` holds the probability, label and prediction of every image, ``summary.json`` the metrics of
    :func:`monai_kd.metrics.classification_metrics`, and ``reliability.png`` the frequency of the second class over its
    probability. The probability is that of the second class, which is the prediction above 0.5. A metric that is
    undefined, because all images have one class, is ``null``. The files are written only if every image of the data set
    was scored once. Run the evaluator with MONAI's decollation. In distributed runs the first process writes.

    Args:
        output_dir: folder of the results; created if missing.
        classes: the names of the two classes, in the order of their index.

    Raises:
        ValueError: When there are not two classes; in the run, when the data have no "id", the output does not hold
            probabilities of two classes, labels are not 0 and 1, or not every image of the data set was scored once.

    Example:
        >>> from monai.engines import SupervisedEvaluator
        >>> from monai.transforms import Activationsd
        >>> from tempfile import TemporaryDirectory
        >>> logits, label = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])
        >>> with TemporaryDirectory() as folder:
        ...     evaluator = SupervisedEvaluator(
        ...         device=torch.device("cpu"),
        ...         val_data_loader=[{"id": ["case1", "case2"], "image": logits, "label": label}],
        ...         network=torch.nn.Identity(),
        ...         postprocessing=Activationsd("pred", softmax=True),
        ...         val_handlers=[ClassificationScoresHandler(folder, ["benign", "malignant"])],
        ...     )
        ...     evaluator.run()
        ...     print(Path(folder, "scores.csv").read_text().strip())
        id,probability,label,prediction
        case1,0.119203,benign,benign
        case2,0.880797,malignant,malignant
    """

    def __init__(self, output_dir: str | PathLike[str], classes: Sequence[str]) -> None:
        if len(classes) != 2:
            raise ValueError(
                f"ClassificationScoresHandler scores one class against another, got classes={list(classes)}. "
                "Give two names."
            )
        self.output_dir = Path(output_dir)
        self.classes = tuple(classes)
        self._rows: list[tuple[str, float, int]] = []

    def attach(self, engine: Engine) -> None:
        """
        Args:
            engine: a MONAI evaluator with "id" in the data, and in the output "pred", the probabilities of both
                classes, and "label", a class index.
        """
        mark_undefined(engine)
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        self._rows.clear()
        ids_of_part(engine)  # refuses duplicate ids before anything is scored

    def _collect(self, engine: Engine) -> None:
        for sample, result in images_of(engine, type(self).__name__):
            pred = result["pred"]
            if tuple(pred.shape) != (2,) or not math.isclose(float(pred.sum()), 1.0, abs_tol=1e-3):
                raise ValueError(
                    f"The output of {sample['id']} has shape {tuple(pred.shape)} and sum {float(pred.sum()):g}, not "
                    "the probabilities of two classes. Add Activationsd('pred', softmax=True) to the postprocessing."
                )
            self._rows.append((str(sample["id"]), min(1.0, float(pred[1])), int(result["label"])))

    def _write(self, engine: Engine) -> None:
        rows, part = gather(self._rows), ids_of_part(engine)
        require_each_once([name for name, _, _ in rows], part)
        if is_first_process():
            place = {name: i for i, name in enumerate(part or [row[0] for row in rows])}
            self._write_tables(engine, sorted(rows, key=lambda row: place[row[0]]))

    def _write_tables(self, engine: Engine, rows: list[tuple[str, float, int]]) -> None:
        probability = torch.tensor([value for _, value, _ in rows], dtype=torch.float64)
        label = torch.tensor([true for _, _, true in rows])
        metrics = classification_metrics(probability, label)
        with atomic_write(self.output_dir / "scores.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "probability", "label", "prediction"])
            for name, value, true in rows:
                writer.writerow([name, f"{value:.6f}", self.classes[true], self.classes[int(value > 0.5)]])
        counts = {name: int((label == index).sum()) for index, name in enumerate(self.classes)}
        mean, frequency, count = (values.tolist() for values in calibration_bins(probability, label))
        reliability_diagram(mean, frequency, count, self.classes[1], self.output_dir / "reliability.png")
        # Written last, so that the other files exist where this one does. JSON has no NaN.
        summary = {name: None if math.isnan(value) else value for name, value in metrics.items()} | {"images": counts}
        write_json(self.output_dir / "summary.json", summary)
        shown = ", ".join(
            f"{name} {'undefined' if math.isnan(value) else f'{value:.4f}'}" for name, value in metrics.items()
        )
        engine.logger.info(f"{len(label)} images: {shown}")
