# SPDX-License-Identifier: Apache-2.0
"""A few phantoms, and studies of the real bundle that take seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_kd.phantom import write_phantoms
from monai_kd.study import read_plan, run_study
from monai_kd.study.running.local_workers import LocalWorkers
from tests.bundles.conftest import unet

BUNDLE = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation"
SETTINGS = {
    "spatial_size": [32, 32],
    "teacher_def": unet(4, 4, 6, 6),
    "student_channels": [2, 4, 4],
    "max_epochs": 1,
    "batch_size": 4,
    "device": "cpu",
    "use_tensorboard": False,
}
TEACHER = {"train": ["train_teacher"], "evaluate": ["evaluate", "teacher"]}
STUDENT = {"train": ["train_student"]}
DISTILLED = {"train": ["train", "methods/logits_kl"]}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "phantoms"
    write_phantoms(folder, 13)
    return folder


@pytest.fixture
def study(tmp_path):
    """Writes a study's file and gives its path; the entries of the file are the arguments."""

    def write(settings=None, **entries):
        import yaml

        content = {
            "bundle": str(BUNDLE),
            "splits": 1,
            "rows": {"Teacher": TEACHER, "Student": STUDENT},
            "settings": {key: value for key, value in {**SETTINGS, **(settings or {})}.items() if value is not None},
            **entries,
        }
        path = tmp_path / "study.yaml"
        path.write_text(
            yaml.safe_dump({key: value for key, value in content.items() if value is not None}, sort_keys=False)
        )
        return path

    return write


@pytest.fixture
def start(data):
    """Runs a study's file in a folder, two runs at a time."""

    def run(path, output_dir, dataset_dir=data, workers=lambda: LocalWorkers(2), **arguments):
        return run_study(read_plan(path), dataset_dir, output_dir, workers, **arguments)

    return run
