# SPDX-License-Identifier: Apache-2.0
"""A separable student and its regular teacher of the same topology, through the bundle."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.bundles.conftest import run_bundle

REGULAR = {"network_def#separable": False}


def test_pair_is_trained_layer_by_layer_and_evaluated(phantoms: str, tmp_path: Path) -> None:
    teacher, student = str(tmp_path / "teacher.pt"), str(tmp_path / "student.pt")
    common = {"dataset_dir": phantoms, "student_channels": [3, 4, 5]}
    outputs = {"output_dir": str(tmp_path / "t"), "checkpoint": teacher}
    run_bundle(["train_teacher", "networks/separable"], **common, **outputs, **REGULAR)
    outputs = {"output_dir": str(tmp_path / "s"), "checkpoint": student}
    distilled = run_bundle(["train", "methods/layerwise_l1"], teacher_checkpoint=teacher, **common, **outputs)
    assert len(distilled.parser.get_parsed_content("pathways").layers.student_layers) == 5
    assert torch.load(student, weights_only=True).keys() == distilled.network_def.state_dict().keys()
    for checkpoint, arguments in ((student, {}), (teacher, REGULAR)):
        outputs = {"output_dir": str(tmp_path / "e"), "checkpoint": checkpoint}
        run_bundle(["evaluate", "networks/separable"], **common, **outputs, **arguments)
        assert (tmp_path / "e" / "scores.csv").is_file()
