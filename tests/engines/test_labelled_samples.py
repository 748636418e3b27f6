# SPDX-License-Identifier: Apache-2.0
"""A batch of labelled and unlabelled images: labels that do not exist are not read."""

import pytest
import torch
from monai.data import MetaTensor
from monai.engines.utils import IterationEvents

from monai_kd import Pathway, Pathways
from monai_kd.losses import LogitsKLLoss, SoftLabelBCELoss
from tests.engines.test_trainer import SUPERVISED, batches, make


def observe(has_label, absent=7.0, pathways=None, wrap=lambda label: label, **arguments):
    """The output of the first iteration, and the student's gradients."""
    batch = batches(count=1)[0]
    label = batch["label"].clone()
    if has_label is not None:
        has_label = torch.as_tensor(has_label)
        label[has_label == 0] = absent
        batch |= {"label": wrap(label), "has_label": has_label}
    trainer = make(pathways or Pathways(logits=Pathway(LogitsKLLoss())), data=[batch], **arguments)
    seen = {}

    @trainer.on(IterationEvents.BACKWARD_COMPLETED)
    def keep(engine):
        seen["terms"] = {k: v.item() for k, v in engine.state.output.items() if v.ndim == 0}
        seen["gradients"] = [p.grad.clone() for p in engine.network.parameters()]
        output = engine.state.output
        seen["pred"], seen["true"] = output["pred"].detach(), batches(count=1)[0]["label"]

    trainer.run()
    return seen


@pytest.mark.parametrize("wrap", [lambda label: label, MetaTensor], ids=["tensor", "meta"])
def test_supervised_loss_is_that_of_the_labelled_samples(wrap):
    seen = observe([0, 1], wrap=wrap)
    expected = 0.5 * SUPERVISED(seen["pred"][1:], seen["true"][1:])
    assert seen["terms"]["supervised_loss"] == pytest.approx(expected.item())


def test_all_labelled_is_as_without_has_label():
    assert observe([1, 1])["terms"] == observe(None)["terms"]


def test_none_labelled_leaves_the_pathways():
    seen = observe([0, 0])
    assert seen["terms"]["supervised_loss"] == 0.0
    assert seen["terms"]["loss"] == seen["terms"]["logits"] > 0
    assert any(gradient.abs().sum() > 0 for gradient in seen["gradients"])


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_what_stands_for_an_absent_label_changes_nothing(weight):
    """Labels of nine classes and NaN, which would break a loss of two classes."""
    pathways = [Pathways(labels=Pathway(SoftLabelBCELoss(softmax=True))) for _ in range(3)]
    first, second, third = (
        observe([1, 0], absent, each, supervised_weight=weight)
        for absent, each in zip((0.0, 9.0, float("nan")), pathways, strict=True)
    )
    assert first["terms"] == second["terms"] == third["terms"]
    for other in (second, third):
        assert all(torch.equal(a, b) for a, b in zip(first["gradients"], other["gradients"], strict=True))


def test_soft_labels_alone_are_the_whole_loss_of_owen():
    seen = observe([1, 0], pathways=Pathways(labels=Pathway(SoftLabelBCELoss(softmax=True))), supervised_weight=0.0)
    assert seen["terms"]["loss"] == seen["terms"]["labels"] > 0
