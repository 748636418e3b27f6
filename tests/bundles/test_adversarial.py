# SPDX-License-Identifier: Apache-2.0
"""Adversarial training against two discriminators, from their overlays, in both bundles."""

import json
import re

import pytest
import torch

from monai_kd import loss_terms
from tests.bundles.conftest import ROOT, run_bundle, run_classification
from tests.helpers import assert_identical

SMALL = {
    "methods/holistic": {"discriminator_def#channels": [4, 8]},
    "methods/adversarial_logits": {"discriminator_def#channels": 4},
}
TERMS = {
    "methods/holistic": {"logits", "hidden", "holistic", "holistic_discriminator"},
    "methods/adversarial_logits": {"logits", "adversarial", "adversarial_discriminator"},
}


def config(name):
    return json.loads((ROOT / "configs" / f"{name}.json").read_text())


def train(method, phantoms, teacher, output, overlays=(), **arguments):
    return run_bundle(
        ["train", *overlays, method],
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        output_dir=str(output),
        checkpoint=str(output / "model.pt"),
        **{**SMALL[method], **arguments},
    )


@pytest.mark.parametrize("method", SMALL)
@pytest.mark.parametrize("overlays", [["views/weak_teacher"], ["views/plain_teacher", "cached_teacher"]])
def test_trains_from_any_view_and_saves_the_student_alone(method, overlays, phantoms, teacher, tmp_path):
    workflow = train(method, phantoms, teacher, tmp_path, overlays)
    assert set(loss_terms(workflow.trainer.state.output)) == {"loss", "supervised_loss"} | TERMS[method]
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()
    state = torch.load(tmp_path / "last.pt", weights_only=True)["objects"]["adversarial"]
    assert_identical(state["discriminator"], workflow.parser.get_parsed_content("discriminator_def").state_dict())


def test_broken_off_and_started_again_it_ends_like_a_whole_run(phantoms, teacher, tmp_path):
    method = "methods/holistic"
    kill = {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}
    whole = train(method, phantoms, teacher, tmp_path / "whole", max_epochs=2)
    with pytest.raises(RuntimeError, match="trainer"):
        train(method, phantoms, teacher, tmp_path / "parts", max_epochs=2, **{"train#handlers#1": kill})
    parts = train(method, phantoms, teacher, tmp_path / "parts", max_epochs=2)
    for name in ("network_def", "discriminator_def"):
        states = [w.parser.get_parsed_content(name).state_dict().values() for w in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    others = {
        "adversarial#weight": "another adversarial: .*weight=.*weight=3.0",
        "discriminator_optimizer#lr": "'3.0' here",
    }
    for key, message in others.items():
        with pytest.raises(RuntimeError) as caught:
            train(method, phantoms, teacher, tmp_path / "parts", max_epochs=2, **{key: 3.0})
        assert re.search(message, str(caught.value.__cause__))


@pytest.mark.parametrize("views", ["shared", "weak_teacher"])
def test_the_same_handler_trains_a_classifier(views, phantoms, class_teacher, tmp_path):
    workflow = run_classification(
        ["train", f"views/{views}", "methods/adversarial_logits"],
        dataset_dir=phantoms,
        teacher_checkpoint=class_teacher,
        output_dir=str(tmp_path),
        checkpoint=str(tmp_path / "model.pt"),
    )
    expected = {"loss", "supervised_loss"} | TERMS["methods/adversarial_logits"]
    assert set(loss_terms(workflow.trainer.state.output)) == expected


def test_published_weights_are_the_overlays():
    holistic = config("methods/holistic")
    assert holistic["pathways"] == config("methods/pairwise_affinity")["pathways"]
    weights = [holistic["pathways"][name]["weight"] for name in ("logits", "hidden")]
    assert [*weights, holistic["adversarial"]["weight"]] == [10.0, 0.5, 0.1]
    assert holistic["discriminator_optimizer"]["lr"] == 4e-4
