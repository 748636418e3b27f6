# SPDX-License-Identifier: Apache-2.0
"""Gradient-based attention transfer from the overlay."""

import json
import re

import pytest
import torch

from monai_kd import loss_terms
from tests.bundles.conftest import ROOT, run_bundle


def train(phantoms, teacher, output, overlays=(), **arguments):
    return run_bundle(
        ["train", *overlays, "methods/gradient_attention"],
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        output_dir=str(output),
        checkpoint=str(output / "model.pt"),
        **arguments,
    )


def terms(workflow):
    return loss_terms(workflow.trainer.state.output)


def test_trains_with_the_papers_terms_alone(phantoms, teacher, tmp_path):
    workflow = train(phantoms, teacher, tmp_path)
    found = terms(workflow)
    assert found["gradient_attention"] > 0 and found["logits"] == 0
    assert found["loss"] == pytest.approx(found["supervised_loss"] + found["gradient_attention"])
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()


def test_goes_with_shared_views_and_is_refused_with_aligned_ones(phantoms, teacher, tmp_path):
    assert terms(train(phantoms, teacher, tmp_path / "shared", ["views/shared"]))["gradient_attention"] > 0
    with pytest.raises(RuntimeError) as caught:
        train(phantoms, teacher, tmp_path / "aligned", ["views/weak_teacher"])
    assert "aligned=False" in str(caught.value.__cause__)


def test_broken_off_and_started_again_it_ends_like_a_whole_run(phantoms, teacher, tmp_path):
    kill = {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}
    whole = train(phantoms, teacher, tmp_path / "whole", max_epochs=2)
    with pytest.raises(RuntimeError, match="trainer"):
        train(phantoms, teacher, tmp_path / "parts", max_epochs=2, **{"train#handlers#1": kill})
    parts = train(phantoms, teacher, tmp_path / "parts", max_epochs=2)
    states = [workflow.network_def.state_dict().values() for workflow in (whole, parts)]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    with pytest.raises(RuntimeError) as caught:
        train(phantoms, teacher, tmp_path / "parts", max_epochs=2, **{"gradient_attention#weight": 3.0})
    assert re.search("another gradient attention: .*weight=1.0.*weight=3.0", str(caught.value.__cause__))


def test_a_cached_teacher_is_refused(phantoms, teacher, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train(phantoms, teacher, tmp_path, ["views/plain_teacher", "cached_teacher"])
    error, causes = caught.value, []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert "live teacher" in " ".join(causes)


def test_the_overlay_leaves_the_student_as_it_is():
    overlay = json.loads((ROOT / "configs" / "methods" / "gradient_attention.json").read_text())
    assert overlay["pathways#logits#weight"] == 0.0
    assert overlay["gradient_attention"]["weight"] == 1.0
