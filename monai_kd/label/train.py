# SPDX-License-Identifier: Apache-2.0
"""Training of the student on the annotator's labels."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.others.generic import device_list

from monai_kd.data import Record, Split, list_images, read_dataset
from monai_kd.label.bundle import AppBundle
from monai_kd.label.requests.devices import chosen_device
from monai_kd.label.requests.options import Options
from monai_kd.label.requests.uploads import require_placed
from monai_kd.label.server_end import require_server
from monai_kd.label.studies.validation import judge, patient_parts, run_config, scores, study_split
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.folder_lock import locked
from monai_kd.utils.json_files import read_json, write_json

__all__ = ["DistilTask"]

logger = logging.getLogger(__name__)

# `__` stands for `#` in the app's settings: train#dataset#_target_.
POOLED = {"train__dataset___target_": "monai_kd.data.PooledDataset"}


class DistilTask(TrainTask):
    """
    Distils a new student from the annotator's final labels, the bundle's teacher, and the study's unlabelled images.

    The new student is published, in one step, only if it is better on the validation part (:func:`patient_parts`) than
    the student in service, as :func:`judge` decides. If a training fails, the student in service stays.

    Args:
        study: folder of images and labels.
        runs: folder of trainings.
    """

    def __init__(self, bundle: AppBundle, study: Path, runs: Path) -> None:
        super().__init__("Distils the student from the teacher and the final labels of this study")
        self.bundle = bundle
        self.study = study
        self.runs = runs

    def config(self) -> dict[str, Any]:
        """The options of a training with their defaults; the default of a list is its first item."""
        return {**Options.choices(self.bundle), "device": device_list()}

    def stats(self) -> dict[str, Any]:
        """The result of the last training."""
        path = self.runs / "last.json"
        return read_json(path) if path.is_file() else {}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """
        Train, judge, and publish.

        Args:
            request: a client's options; see :meth:`config`.
            datastore: not read, because the study's folder is read as a data set.

        Returns:
            Dice of the student in service (``before``) and of the new one (``best_metric``), whether the new one was
            ``published``, and the ``reason``.

        Raises:
            FileNotFoundError: When the teacher's weights are missing.
            ValueError: When another training runs, options or labels are invalid, or publishing fails.
        """
        options = Options.of(request, self.bundle)
        device = chosen_device(request)
        self.runs.mkdir(parents=True, exist_ok=True)
        with locked(self.runs):
            for left in self.runs.glob("training-*"):
                shutil.rmtree(left)
            folder = self.runs / f"training-{time.strftime('%Y%m%d-%H%M%S')}"
            result = self._distil(options, folder, device)
            write_json(self.runs / "last.json", result)
        return result

    def require_teacher(self) -> None:
        """Raise a FileNotFoundError if the app has no teacher, which every training needs."""
        if not self.bundle.teacher.is_file():
            raise FileNotFoundError(
                f"No teacher, and a training needs one. Copy its weights to '{self.bundle.teacher}', or write a new "
                "app with --teacher-checkpoint."
            )

    def _distil(self, options: Options, folder: Path, device: str) -> dict[str, Any]:
        begin = time.time()
        self.require_teacher()
        records = read_dataset(self.study, "monailabel")
        for record in records:
            masks = record["label"] if isinstance(record["label"], list) else [record["label"]]
            for mask in masks if "frame" not in record else ():
                require_placed(Path(mask), Path(record["image"]))
        split = self._split(records)
        folder.mkdir()
        served = self.bundle.student.is_file()
        before = self._scores(self.bundle.student, split, folder / "before", device) if served else None
        run_config(self.bundle, self._config(options, split, folder, device), folder / "train.json")
        verdict = judge(before, self._scores(folder / "model.pt", split, folder / "after", device))
        if verdict.published:
            self._publish(folder / "model.pt")
        result = {
            "best_metric": verdict.after, "before": verdict.before, "published": verdict.published,
            "reason": verdict.reason, "judges": verdict.judges, "better": verdict.better, "worse": verdict.worse,
            "epoch": options.max_epochs, "training_images": len(split["training"]),
            "validation_images": len(split["validation"]),
            "pathway": options.pathway, "start_ts": int(begin), "total_time": round(time.time() - begin, 1),
        }  # fmt: skip
        logger.info("Training ended: %s", result)
        logger.info(verdict.reason)
        return result

    def _split(self, records: Sequence[Record]) -> Split:
        """The split; a file keeps each patient's part for the next training."""
        path = self.runs / "patients.json"
        former = read_json(path) if path.is_file() else {}
        parts = patient_parts([str(record["patient"]) for record in records], former)
        write_json(path, parts)
        return study_split(records, parts)

    def _scores(self, weights: Path, split: Split, folder: Path, device: str) -> dict[str, float]:
        return scores(self.bundle, weights, self.study, split, folder, device)

    def _config(self, options: Options, split: Any, folder: Path, device: str) -> Any:
        names = ["train", f"methods/{options.pathway}", *(n for n in ("views/plain_teacher",) if self.bundle.has(n))]
        cached = "views/plain_teacher" in names and self.bundle.has("cached_teacher")
        values: dict[str, Any] = {
            "dataset_dir": str(self.study), "layout": "monailabel", "split": split, "output_dir": str(folder),
            "checkpoint": str(folder / "model.pt"), "teacher_checkpoint": str(self.bundle.teacher), "device": device,
            "max_epochs": options.max_epochs, "supervised_weight": options.supervised_weight, "quiet": True,
            "learning_rate": options.learning_rate, "resume": False, "use_tensorboard": False,
            "seen_images": "warn",  # the teacher may know this study, and its annotator wants a student all the same
        }  # fmt: skip
        if cached:
            names.append("cached_teacher")
            values["teacher_cache"] = str(self.runs / "teacher")
        if options.unlabelled and self._unlabelled():
            values |= {**POOLED, "train__dataset__unlabelled": str(self.study)}
        config = self.bundle.parser(*names, **values)
        for name, pathway in config["pathways"].items():
            if name != "_target_":
                pathway["weight"] = pathway.get("weight", 1.0) * options.distillation_weight
        if options.pretrained and self.bundle.student.is_file():
            config["start_from"] = str(self.bundle.student)
            config["initialize"] = [*config["initialize"], "$monai_kd.load_weights(@network_def, @start_from)"]
        return config

    def _unlabelled(self) -> bool:
        """Whether the study has images without a final label."""
        return len(list_images(self.study)) > len(read_dataset(self.study, "monailabel"))

    def _publish(self, weights: Path) -> None:
        require_server()
        with atomic_write(self.bundle.student) as temporary:
            shutil.copyfile(weights, temporary)
            os.utime(temporary)  # the server loads the weights again if their time has changed
