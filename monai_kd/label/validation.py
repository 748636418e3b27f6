# SPDX-License-Identifier: Apache-2.0
"""Which of the annotator's images train a student and which judge it, and the judgement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai.bundle import ConfigParser, ConfigWorkflow

from monai_kd.data import Record, Split
from monai_kd.files import atomic_write
from monai_kd.label.bundle import AppBundle

__all__ = ["patient_parts", "run_config", "score", "study_split"]

SHARE = 0.2


def patient_parts(patients: Sequence[str], former: Mapping[str, str], share: float = SHARE) -> dict[str, str]:
    """
    Which patients' images train and which judge, in a study that grows.

    Once drawn, a patient's part stays: a student in service is never judged by labels it was trained on. A new
    patient's part follows from the name; where that gives a part nobody, from who is closest to it.

    Args:
        patients: of the labelled images.
        former: the parts of the last training.
        share: of the patients who judge.

    Returns:
        "training" or "validation" by patient, also of former ones.

    Raises:
        ValueError: When there are fewer than two patients, or all of them have one part by now.

    Example:
        >>> sorted(patient_parts(["a", "b", "c"], {"a": "validation"}).items())
        [('a', 'validation'), ('b', 'training'), ('c', 'validation')]
    """
    names = sorted(set(patients), key=_place)
    if len(names) < 2:
        raise ValueError(
            f"{len(patients)} labelled images of {len(names)} patients: one trains, another judges. Label the images "
            "of two patients at least."
        )
    parts = {name: former.get(name) or ("validation" if _place(name) < share else "training") for name in names}
    new = [name for name in names if name not in former]
    for part, closest in (("validation", new[:1]), ("training", new[-1:])):
        if part not in parts.values():
            parts |= dict.fromkeys(closest, part)
    lacking = {"training", "validation"} - set(parts.values())
    if lacking:
        raise ValueError(
            f"All {len(names)} patients with labels were drawn for one part, none for {lacking.pop()}. Label the "
            "images of another patient."
        )
    return {**former, **parts}


def study_split(records: Sequence[Record], parts: Mapping[str, str]) -> Split:
    """
    The ids of each part.

    Args:
        records: of the labelled images, with ``id`` and ``patient``.
        parts: by patient.

    Returns:
        Ids of ``"training"``, ``"validation"`` and, empty, ``"test"``.

    Example:
        >>> study_split([{"id": "1", "patient": "a"}], {"a": "training", "b": "validation"})
        {'training': ['1'], 'validation': [], 'test': []}
    """
    return {
        part: [record["id"] for record in records if parts[str(record["patient"])] == part]
        for part in ("training", "validation", "test")
    }


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
