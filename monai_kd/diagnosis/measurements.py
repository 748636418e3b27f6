# SPDX-License-Identifier: Apache-2.0
"""All measurements of the diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.command_line import plain_values, run_words, shell_line
from monai_kd.bundle.finding import find_path
from monai_kd.diagnosis.gradients import GradientShare, gradient_shares
from monai_kd.diagnosis.prediction_quality import PredictionQuality, agreement, measure_predictions
from monai_kd.diagnosis.trained_run import CONFIG, TrainedRun

__all__ = ["Measured", "measure"]

LOGS = ("use_tensorboard", "use_mlflow", "resume")  # a diagnosis switches them off
PACE = (*LOGS, "max_epochs", "steps_per_epoch", "val_interval", "patience", "learning_rate")  # another network's


@dataclass(frozen=True)
class Measured:
    """
    Measurements of a distillation and, if its run is given, of the same student alone.

    Args:
        metric: name of the key metric.
        teacher: its predictions for the validation images.
        teacher_training: its predictions for the labelled training images.
        distilled: the distilled student's predictions for the validation images.
        distilled_training: the distilled student's predictions for the labelled training images.
        alone: the student alone's predictions for the validation images; None if its run was not given.
        labelled: number of training images with labels.
        unlabelled: number of training images without labels.
        steps: number of training steps of the distillation.
        curve: epoch and key metric of each validation of the distillation.
        loss: epoch and mean loss of the distillation.
        gradients: the distillation terms' share, at "start" and "end"; may be empty.
        on_outputs: whether a pathway compares the outputs of student and teacher.
        commands: what to run next, by the kind of step.
    """

    metric: str
    teacher: PredictionQuality
    teacher_training: PredictionQuality
    distilled: PredictionQuality
    distilled_training: PredictionQuality
    alone: PredictionQuality | None
    labelled: int
    unlabelled: int
    steps: int
    curve: Sequence[tuple[int, float]]
    loss: Sequence[tuple[int, float]]
    gradients: Mapping[str, GradientShare]
    on_outputs: bool
    commands: Mapping[str, str]

    @property
    def agreements(self) -> tuple[dict[str, float], dict[str, float]]:
        """Agreement with the teacher on the validation images: of the distilled student, and of the student alone."""
        alone = {} if self.alone is None else agreement(self.alone, self.teacher)
        return agreement(self.distilled, self.teacher), alone


def measure(run: TrainedRun, alone: TrainedRun | None, watch: Callable[[str], None] = lambda step: None) -> Measured:
    """
    Measure a distillation: every network's predictions, and the gradients of the loss's parts.

    Args:
        run: the distillation.
        alone: the run of the same student on labels alone, if there is one.
        watch: called with the name of each part before it is measured.

    Raises:
        ValueError: When ``run`` is not a distillation, or the two runs have different validation images.
    """
    if not run.is_distilled:
        raise ValueError(f"'{run.folder}' is the run of a student without a teacher. Pass it as --student-run.")
    if alone is not None and alone.is_distilled:
        raise ValueError(f"'{alone.folder}' is a distillation. Pass the run of the student alone as --student-run.")
    new, known = run.samples("validation"), run.samples("training")
    if alone is not None:
        _require_same(run, alone)
    watch("teacher")
    teacher = run.teacher()
    of_teacher = [measure_predictions(run, teacher, images) for images in (new, known)]
    watch("distilled student")
    student = run.network()
    of_student = [measure_predictions(run, student, images) for images in (new, known)]
    watch("student alone")
    of_alone = None if alone is None else measure_predictions(run, alone.network(), new)
    watch("gradients")
    key_metric, history = str(run.get("validate#evaluator").state.key_metric_name), run.history
    return Measured(
        metric=of_student[0].metric,
        teacher=of_teacher[0],
        teacher_training=of_teacher[1],
        distilled=of_student[0],
        distilled_training=of_student[1],
        alone=of_alone,
        labelled=len(run.records("training")),
        unlabelled=len(run.records("unlabelled")),
        steps=int(run.last["iteration"]),
        curve=history.get(key_metric, ()),
        loss=history.get("loss", ()),
        gradients=gradient_shares(run),
        on_outputs=any("" in pathway.student_layers for _, pathway in run.get("pathways").items()),
        commands=_commands(run),
    )


def _require_same(run: TrainedRun, alone: TrainedRun) -> None:
    ids = [[str(record.get("id", record["image"])) for record in one.records("validation")] for one in (run, alone)]
    if sorted(ids[0]) != sorted(ids[1]):
        raise ValueError(
            f"'{run.folder}' and '{alone.folder}' have different validation images. Train both on the same split."
        )


def _commands(run: TrainedRun) -> dict[str, str]:
    """The command of each kind of step, with the run's own settings."""
    root = Path(str(run.get("bundle_root", ".")))
    bundle = BundleFolder(find_path(root))
    moved = {name: value for name, value in run.settings.items() if "#" not in name and name != "bundle_root"}

    def again(values: Mapping[str, Any], *overlays: str) -> str:
        """The run's own config, with other values."""
        words = run_words(str(run.folder / CONFIG), root if overlays else None, {**moved, **values}, overlays)
        return shell_line([*words, "--output-dir", "DIR"])

    epochs = 4 * int(run.last["max_epochs"])
    pool, logits = "recipes/few_labels", "methods/logits_kl"
    further = "set train#dataset to monai_kd.data.PooledDataset"
    return {
        "teacher": _better_teacher(run, root, bundle),
        "pool": again({"unlabelled_dir": "UNLABELLED"}, pool) if bundle.has(pool) else further,
        "weight": f"{again({})} --pathways#…#weight W",
        "logits": again({}, logits) if bundle.has(logits) else _logits_alone(run, root, bundle),
        "longer": again({"max_epochs": epochs}),
    }


def _better_teacher(run: TrainedRun, root: Path, bundle: BundleFolder) -> str:
    """Train a pretrained network on the images, with the sizes, that the run had."""
    # If the paper's teacher is an overlay, the bundle's default teacher has a pretrained encoder.
    if not (bundle.has("networks/pretrained") or bundle.has("teachers/paper")):
        return "train a larger or a pretrained network as teacher"
    overlays = [name for name in ("networks/pretrained", "recipes/patient") if bundle.has(name)]
    values = plain_values(run.config.get(), bundle.config("train_teacher", *overlays), PACE)
    return shell_line([*run_words("train_teacher", root, values, overlays), "--output-dir", "DIR"])


def _logits_alone(run: TrainedRun, root: Path, bundle: BundleFolder) -> str:
    """The bundle's own training, which compares logits, with the run's other settings."""
    values = plain_values(run.config.get(), bundle.config("train"), LOGS)
    return shell_line([*run_words("train", root, values), "--output-dir", "DIR"])
