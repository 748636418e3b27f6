# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bundles.conftest import run_bundle, run_two_processes
from tests.helpers import assert_identical

AWARE = ["train", "methods/logits_and_hidden", "quantization_aware"]


def arguments(folder: Path, phantoms: str, teacher: str, student: str) -> dict[str, Any]:
    return {
        "dataset_dir": phantoms,
        "teacher_checkpoint": teacher,
        "initial_checkpoint": student,
        "output_dir": str(folder),
        "checkpoint": str(folder / "model.pt"),
        "max_epochs": 2,
    }


def test_the_student_is_fine_tuned_and_stays_a_plain_one(
    phantoms: str, teacher: str, student: str, tmp_path: Path
) -> None:
    workflow = run_bundle(AWARE, **arguments(tmp_path, phantoms, teacher, student))
    before, after = (torch.load(path, weights_only=True) for path in (student, tmp_path / "model.pt"))
    assert list(after) == list(before)
    assert any(not torch.equal(after[key], before[key]) for key in after)
    # Small steps from the trained weights, not a new training.
    change = sum((after[key] - before[key]).square().sum() for key in after)
    assert change < 0.05 * sum(value.square().sum() for value in before.values())
    first = workflow.parser.get_parsed_content("quantized").quantizers[0]
    assert first.output.scale.item() > 0 and first.output.activation_post_process.min_val.isfinite()
    run_bundle("evaluate", dataset_dir=phantoms, checkpoint=str(tmp_path / "model.pt"), output_dir=str(tmp_path))
    assert (tmp_path / "scores.csv").is_file()


def test_killed_and_started_again_it_ends_like_a_whole_run(
    phantoms: str, teacher: str, student: str, tmp_path: Path
) -> None:
    def train(folder: str, **further: Any) -> None:
        run_bundle(AWARE, **arguments(tmp_path / folder, phantoms, teacher, student), **further)

    train("whole")
    kill = {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": kill})
    train("parts")
    whole, parts = (
        torch.load(tmp_path / name / "last.pt", weights_only=True)["objects"] for name in ("whole", "parts")
    )
    for name in ("network", "ranges", "pathways"):
        assert_identical(dict(parts[name]), dict(whole[name]), name)


def test_two_processes(phantoms: str, teacher: str, student: str, tmp_path: Path) -> None:
    run_two_processes(AWARE, **arguments(tmp_path, phantoms, teacher, student))
    objects = torch.load(tmp_path / "last.pt", weights_only=True)["objects"]
    assert list(objects["network"]) == list(torch.load(student, weights_only=True))


def test_without_a_student_it_says_so(phantoms: str, teacher: str, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:
        run_bundle(AWARE, **arguments(tmp_path, phantoms, teacher, "none.pt"))
    assert "No checkpoint at 'none.pt'" in str(caught.value.__cause__ or caught.value)
