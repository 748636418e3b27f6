# SPDX-License-Identifier: Apache-2.0
"""A study of the classification bundle."""

import csv

import pytest

from monai_kd.phantom import write_phantoms
from monai_kd.study.reporting.report import write_report
from tests.study.conftest import BUNDLE

pytest.importorskip("yaml")
CLASSIFICATION = BUNDLE.with_name("breast_ultrasound_classification")


def test_a_study_of_classifiers_is_run_and_reported(study, start, tmp_path):
    write_phantoms(tmp_path / "data", 24)
    rows = {
        "Teacher": {"train": ["train_teacher"], "evaluate": ["evaluate", "teacher"]},
        "Student": {"train": ["train_student"]},
        "L": {"train": ["train", "methods/logits_kl"]},
    }
    settings = {"teacher_def": None, "teacher_channels": [2, 2, 2, 2], "student_channels": [2, 2, 2, 2]}
    state = start(study(settings, bundle=str(CLASSIFICATION), rows=rows), tmp_path / "out", tmp_path / "data")
    assert len(state.finished) == 3, state.failed
    folder, *_ = write_report(tmp_path / "out")
    tables = {}
    for name in ("scores", "metrics"):
        with (folder / f"{name}.csv").open(newline="") as file:
            tables[name] = {row["model"]: row for row in csv.DictReader(file)}
    assert list(tables["scores"]) == list(tables["metrics"]) == list(rows)
    for row in rows:
        with (tmp_path / "out" / "0-0" / row / "evaluation" / "scores.csv").open(newline="") as file:
            right = [image["label"] == image["prediction"] for image in csv.DictReader(file)]
        assert tables["scores"][row]["Accuracy (%)"].startswith(f"{100 * sum(right) / len(right):.2f}")
        assert {"roc_auc", "balanced_accuracy", "brier_score"} < set(tables["metrics"][row])
    assert not (folder / "contours.png").exists() and (folder / "parameters.png").is_file()
