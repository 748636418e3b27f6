# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ignite.engine import Engine, Events
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from monai_kd.handlers.each_image_once import ids_of_part, require_each_once
from monai_kd.handlers.evaluator_images import images_of
from monai_kd.handlers.undefined_metrics import mark_undefined
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.figures import GREEN, RED, overlay
from monai_kd.utils.json_files import write_json
from monai_kd.utils.processes import gather, is_first_process

__all__ = ["ScoresHandler"]

MARK = "monai_kd overlay of"


def _summary(values: list[float]) -> dict[str, float | int | None]:
    finite = [value for value in values if math.isfinite(value)]
    return {
        "mean": fmean(finite) if finite else None,  # JSON has no NaN
        "std": stdev(finite) if len(finite) > 1 else None,
        "images": len(finite),
        "undefined": len(values) - len(finite),
    }


def _mark(name: str) -> PngInfo:
    """A mark in the picture, so that a later evaluation removes only pictures that this handler made."""
    info = PngInfo()
    info.add_text(MARK, name, zip=False)
    return info


def _marked(path: Path) -> str | None:
    try:
        with Image.open(path) as picture:
            return picture.info.get(MARK)
    except OSError:
        return None


class ScoresHandler:
    """
    Writes an evaluator's metrics for each image, their means, and pictures of the contours.

    ``scores.csv`` holds the metrics, ``summary.json`` their means, and ``overlays/`` a picture of each image with the
    true contour in green and the predicted one in red. Pictures of an earlier evaluation are removed if this one does
    not score their images.

    If a metric is undefined for an image (the Hausdorff distance of an empty prediction), its cell is empty, the mean
    leaves the image out, and "undefined" counts it. A mean or standard deviation of too few images is ``null``. Files
    are written only if every image of the data set was scored once. Run the evaluator with MONAI's decollation. In
    distributed runs the first process writes.

    Args:
        output_dir: folder of the results; created if missing.
        metrics: column name by the metric's name in the engine; attach each metric with ``save_details=True``.
        overlays: whether to draw pictures of 2D images. Defaults to True.
        classes: names of several classes, without the background. Each metric then has a column for every class, such
            as ``"dice lesion"``, and one for the mean of the defined values; contours are those of all classes
            together. Defaults to None: one class, the last channel.

    Raises:
        ValueError: In the run, when a key is missing in the data, the output or the metrics, or not every image of the
            data set was scored once.

    Example:
        >>> import torch
        >>> from monai.engines import SupervisedEvaluator
        >>> from monai.handlers import MeanDice, from_engine
        >>> from monai.transforms import AsDiscreted
        >>> from tempfile import TemporaryDirectory
        >>> logits, label = torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)
        >>> logits[:, 1, :4], label[:, 0, :3] = 1, 1  # four columns predicted, three correct
        >>> with TemporaryDirectory() as folder:
        ...     evaluator = SupervisedEvaluator(
        ...         device=torch.device("cpu"),
        ...         val_data_loader=[{"id": ["case1"], "image": logits, "label": label}],
        ...         network=torch.nn.Identity(),
        ...         postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        ...         key_val_metric={
        ...             "dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))
        ...         },
        ...         val_handlers=[ScoresHandler(folder, {"dice": "dice"}, overlays=False)],
        ...     )
        ...     evaluator.run()
        ...     print(Path(folder, "scores.csv").read_text().strip())
        id,dice
        case1,0.857143
    """

    def __init__(
        self,
        output_dir: str | PathLike[str],
        metrics: Mapping[str, str],
        overlays: bool = True,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.metrics = dict(metrics)
        self.overlays = overlays
        self.classes = tuple(classes or ())
        self._ids: list[str] = []
        self._needed: dict[str, str] = {}
        if overlays:
            self._needed["original"] = (
                'Copy the image right after loading by CopyItemsd("image", names="original"), or set overlays=False.'
            )

    def attach(self, engine: Engine) -> None:
        """
        Args:
            engine: a MONAI evaluator with "id" in the data, "label" and "pred" in the output, and, for pictures, the
                unchanged image as "original" in the data.
        """
        mark_undefined(engine)
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        self._ids.clear()
        ids_of_part(engine)  # refuses duplicate ids before anything is scored

    def _collect(self, engine: Engine) -> None:
        for sample, result in images_of(engine, type(self).__name__, self._needed):
            self._ids.append(str(sample["id"]))
            if self.overlays and result["pred"].ndim == 3:
                self._draw(str(sample["id"]), sample, result)

    def _draw(self, name: str, sample: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        # MONAI's index order is (W, H), a picture's is (H, W). The classes are the last channels.
        image = sample["original"][0].cpu().numpy().T
        first = -max(1, len(self.classes))
        label, pred = (result[key][first:].amax(0).cpu().numpy().T for key in ("label", "pred"))
        with atomic_write(self.output_dir / "overlays" / f"{name}.png") as temporary:
            picture = Image.fromarray(overlay(image, [(label, GREEN), (pred, RED)]))
            picture.save(temporary, format="PNG", pnginfo=_mark(name))

    def _remove_old_overlays(self, ids: list[str]) -> None:
        """Remove pictures of images that this evaluation did not score: of another part, fold or data set."""
        folder, kept = self.output_dir / "overlays", {*ids} if self.overlays else set()
        for path in sorted(folder.rglob("*.png")) if folder.is_dir() else ():
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name not in kept and not path.is_symlink() and _marked(path) == name:
                path.unlink()

    def _columns(self, column: str, rows: list[Tensor]) -> dict[str, list[float]]:
        if not self.classes:
            return {column: [float(row[-1]) for row in rows]}
        if rows and len(rows[0]) != len(self.classes):
            raise ValueError(
                f"'{column}' has {len(rows[0])} values for an image, but classes names {len(self.classes)}: "
                f"{', '.join(self.classes)}. Name each channel that the metric scores; include_background adds one."
            )
        found = {column: [float(row[row.isfinite()].mean()) for row in rows]}
        return found | {f"{column} {label}": [float(row[i]) for row in rows] for i, label in enumerate(self.classes)}

    def _write(self, engine: Engine) -> None:
        state: Any = engine.state
        absent = sorted(set(self.metrics) - set(state.metric_details))
        if absent:
            raise ValueError(
                f"The evaluator keeps no values for {absent}, only for {sorted(state.metric_details)}. Attach these "
                "metrics with save_details=True, or leave them out of ScoresHandler(metrics=...)."
            )
        columns: dict[str, list[float]] = {}
        for name, column in self.metrics.items():
            columns |= self._columns(column, [row.flatten() for row in state.metric_details[name]])
        ids, part = gather(self._ids), ids_of_part(engine)
        require_each_once(ids, part)
        for column, values in columns.items():
            if len(values) != len(ids):
                raise ValueError(f"'{column}' has {len(values)} values for {len(ids)} images. Score each image once.")
        if is_first_process():
            place = {name: i for i, name in enumerate(part or ids)}
            self._write_tables(engine, ids, sorted(range(len(ids)), key=lambda i: place[ids[i]]), columns)

    def _write_tables(self, engine: Engine, ids: list[str], order: list[int], columns: dict[str, list[float]]) -> None:
        self._remove_old_overlays(ids)
        with atomic_write(self.output_dir / "scores.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *columns])
            for i in order:
                cells = [f"{v[i]:.6f}" if math.isfinite(v[i]) else "" for v in columns.values()]
                writer.writerow([ids[i], *cells])
        summary = {column: _summary(values) for column, values in columns.items()}
        write_json(self.output_dir / "summary.json", summary)
        for column, row in summary.items():
            mean, std = ("–" if row[key] is None else f"{row[key]:.4f}" for key in ("mean", "std"))
            undefined = f", undefined for {row['undefined']}" if row["undefined"] else ""
            engine.logger.info(f"{column}: {mean} ± {std} over {row['images']} images{undefined}")
