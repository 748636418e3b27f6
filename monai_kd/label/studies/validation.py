# SPDX-License-Identifier: Apache-2.0
"""The split of the annotator's images into training and validation, and the judgement of a new student."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from monai.bundle import ConfigParser, ConfigWorkflow

from monai_kd.data import Record, Split
from monai_kd.label.bundle import AppBundle
from monai_kd.utils.json_files import write_json

__all__ = ["JUDGES", "Verdict", "judge", "patient_parts", "run_config", "scores", "study_split"]

SHARE = 0.2
JUDGES = 5  # fewest validation images for the decision to replace a student, so that no single image decides


def patient_parts(patients: Sequence[str], former: Mapping[str, str], share: float = SHARE) -> dict[str, str]:
    """
    The part of each patient, "training" or "validation", in a growing study.

    A patient's part never changes, so a student in service is never judged by labels that it was trained on. The part
    of a new patient is drawn from the name. If that gives too few for validation, further new patients are added, up to
    half of all patients or :data:`JUDGES`.

    Args:
        patients: one for each labelled image.
        former: the parts of the last training, which are returned, too.
        share: share of the patients for validation, 0 to 1.

    Raises:
        ValueError: When there are fewer than two patients, or all are in one part.

    Example:
        >>> sorted(patient_parts(["a", "b", "c"], {"a": "validation"}).items())
        [('a', 'validation'), ('b', 'training'), ('c', 'validation')]
    """
    names = sorted(set(patients), key=_place)
    if len(names) < 2:
        raise ValueError(
            f"{len(patients)} labelled images of {len(names)} patients: one is needed for training, another for "
            "validation. Label images of at least two patients."
        )
    parts = {name: former.get(name) or ("validation" if _place(name) < share else "training") for name in names}
    waiting = [name for name in names if name not in former and parts[name] == "training"]
    lacking = min(JUDGES, len(names) // 2) - sum(part == "validation" for part in parts.values())
    parts |= dict.fromkeys(waiting[: max(lacking, 0)], "validation")
    if "training" not in parts.values():
        parts |= dict.fromkeys([name for name in names if name not in former][-1:], "training")
    empty = {"training", "validation"} - set(parts.values())
    if empty:
        raise ValueError(
            f"All {len(names)} patients with labels were drawn for one part, none for {empty.pop()}. Label the "
            "images of another patient."
        )
    return {**former, **parts}


def study_split(records: Sequence[Record], parts: Mapping[str, str]) -> Split:
    """
    The ids of each part, by the patients' parts; "test" is empty.

    Example:
        >>> study_split([{"id": "1", "patient": "a"}], {"a": "training", "b": "validation"})
        {'training': ['1'], 'validation': [], 'test': []}
    """
    return {
        part: [record["id"] for record in records if parts[str(record["patient"])] == part]
        for part in ("training", "validation", "test")
    }


def _place(patient: str) -> float:
    """A number from 0 to 1 that depends only on the patient's name."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64


def scores(bundle: AppBundle, weights: Path, study: Path, split: Split, folder: Path, device: str) -> dict[str, float]:
    """
    Dice on each validation image by id, on its own grid; images without a lesion have none and are left out.

    Args:
        study: the data set's folder.
        folder: output folder of the scores.
    """
    values = {
        "dataset_dir": str(study), "split": split, "section": "validation", "checkpoint": str(weights),
        "output_dir": str(folder), "overlays": False, "quiet": True, "device": device,
        "seen_images": "warn",  # the student in service may have been trained on this very study
    }  # fmt: skip
    run_config(bundle, bundle.parser("evaluate", **values), folder / "evaluate.json")
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: float(row["dice"]) for row in csv.DictReader(file) if row["dice"]}


@dataclass(frozen=True)
class Verdict:
    """
    Whether a new student replaces the one in service, and why.

    Args:
        published: True if it does.
        reason: for the annotator.
        before: mean Dice of the student in service; None if there is none.
        after: mean Dice of the new one.
        judges: number of validation images with a lesion.
        better: number of images on which the new student is better.
        worse: number of images on which it is worse.
    """

    published: bool
    reason: str
    before: float | None
    after: float | None
    judges: int
    better: int
    worse: int


def judge(before: Mapping[str, float] | None, after: Mapping[str, float]) -> Verdict:
    """
    Compare two students by their Dice on the same validation images; ``before`` is None without a student in service.

    The new student is published if its mean Dice is higher, on at least :data:`JUDGES` images, and if it is better on
    more images than it is worse on. So a tie changes nothing, and no single image decides.

    Example:
        >>> print(judge(dict.fromkeys("abcde", 0.0), dict.fromkeys("abcde", 0.0)).reason)
        Not published: mean Dice 0.000 before and 0.000 after on 5 images. It must be higher.
        >>> print(judge({"a": 0.1}, {"a": 0.9}).reason)
        Not published: only 1 image with a lesion judged, and 5 are needed. Label more.
        >>> judge(dict.fromkeys("abcde", 0.1), dict.fromkeys("abcde", 0.2)).published
        True
    """
    count = len(after)
    new = fmean(after.values()) if after else None
    if before is None:
        return Verdict(True, "Published: there was no student in service.", None, new, count, count, 0)
    old = fmean(before.values()) if before else None
    better, worse = (sum(after[key] * sign > before[key] * sign for key in after) for sign in (1, -1))
    if old is None or new is None or count < JUDGES:
        images = "1 image" if count == 1 else f"{count} images"
        why = f"only {images} with a lesion judged, and {JUDGES} are needed. Label more."
    elif not new > old:
        why = f"mean Dice {old:.3f} before and {new:.3f} after on {count} images. It must be higher."
    elif better <= worse:
        why = (
            f"mean Dice {old:.3f} before and {new:.3f} after, but it is better on {better} images and worse on "
            f"{worse} of {count}. It must be better on more."
        )
    else:
        told = f"mean Dice {old:.3f} before and {new:.3f} after, better on {better} of {count} images, worse on {worse}"
        return Verdict(True, f"Published: {told}.", old, new, count, better, worse)
    return Verdict(False, f"Not published: {why}", old, new, count, better, worse)


def run_config(bundle: AppBundle, config: ConfigParser, path: Path) -> None:
    """Write a config to ``path``, to look at or run again, and run it as ``python -m monai.bundle run`` does."""
    write_json(path, config.get())
    metadata = str(bundle.file("metadata"))
    # No logging file, because the server has its own logging.
    workflow = ConfigWorkflow(config_file=str(path), meta_file=metadata, logging_file=False, workflow_type="train")
    workflow.initialize()
    workflow.run()
    workflow.finalize()
