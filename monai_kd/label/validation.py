# SPDX-License-Identifier: Apache-2.0
"""Which of the annotator's images train a student and which judge it, and the judgement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser, ConfigWorkflow

from monai_kd.data import Record, Split
from monai_kd.files import atomic_write
from monai_kd.label.bundle import AppBundle

__all__ = ["run_config", "score", "study_split"]

SHARE = 0.2


def study_split(records: Sequence[Record], share: float = SHARE) -> Split:
    """
    Training and validation images of a study that grows.

    A patient's part follows from the patient's name alone, so that no image moves from training to validation while
    the annotator goes on: a student that was served before is never judged by images it was trained on. Where chance
    gives validation nobody yet, the patient closest to it judges; where it gives validation everybody, the farthest
    trains.

    Args:
        records: of the labelled images, with ``id`` and ``patient``.
        share: of the patients, for validation.

    Raises:
        ValueError: When the labelled images are of fewer than two patients.

    Example:
        >>> split = study_split([{"id": str(i), "patient": str(i)} for i in range(20)])
        >>> {part: len(ids) for part, ids in split.items()}
        {'training': 18, 'validation': 2, 'test': 0}
    """
    places = {record["patient"]: _place(str(record["patient"])) for record in records}
    if len(places) < 2:
        raise ValueError(
            f"{len(records)} labelled images of {len(places)} patients: one trains, another judges. Label the images "
            "of two patients at least."
        )
    border = max(share, min(places.values()))
    judging = {patient for patient, place in places.items() if place <= border}
    if len(judging) == len(places):
        judging.discard(max(places, key=lambda patient: places[patient]))
    parts = {record["id"]: "validation" if record["patient"] in judging else "training" for record in records}
    return {part: [key for key, of in parts.items() if of == part] for part in ("training", "validation", "test")}


def _place(patient: str) -> float:
    """A number from 0 to 1 that belongs to a patient, drawn once and for all."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64


def score(bundle: AppBundle, weights: Path, study: Path, split: Split, folder: Path, device: str) -> float | None:
    """
    Mean Dice of some weights on the validation images, each on its own grid.

    Args:
        bundle: whose ``evaluate.json`` is run.
        weights: the student's checkpoint.
        study: the data set's folder.
        split: its images.
        folder: of the scores.
        device: to compute on.

    Returns:
        The mean over images with a lesion; None where no validation image has one.
    """
    values = {
        "dataset_dir": str(study), "split": split, "section": "validation", "checkpoint": str(weights),
        "output_dir": str(folder), "overlays": False, "quiet": True, "device": device,
    }  # fmt: skip
    run_config(bundle, bundle.parser("evaluate", **values), folder / "evaluate.json")
    mean = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["dice"]["mean"]
    return None if mean is None else float(mean)


def run_config(bundle: AppBundle, config: ConfigParser, path: Path) -> None:
    """
    Run a config as ``python -m monai.bundle run`` does.

    Args:
        bundle: whose config it is.
        config: whole.
        path: where it is kept, to be looked at or run again.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(config.get(), indent=2) + "\n", encoding="utf-8")
    metadata = str(bundle.root / "configs" / "metadata.json")
    # The server has its own logging.
    workflow = ConfigWorkflow(config_file=str(path), meta_file=metadata, logging_file=False, workflow_type="train")
    workflow.initialize()
    workflow.run()
    workflow.finalize()
