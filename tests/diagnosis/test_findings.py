# SPDX-License-Identifier: Apache-2.0
"""Each known failure gets its own advice."""

from __future__ import annotations

import pytest
import torch

from monai_kd.diagnosis import Measured, find, next_steps, verdict
from monai_kd.diagnosis.gradients import GradientShare
from monai_kd.diagnosis.prediction_quality import PredictionQuality, agreement

IMAGES = [f"{number:02}" for number in range(24)]
COMMANDS = dict.fromkeys(("teacher", "pool", "weight", "logits", "longer"), "python -m monai_kd run train")


def answered(dice, agrees=1.0, spread=0.02):
    """Scores around a mean; masks of 100 pixels of which a share lies on the teacher's."""
    scores = {name: dice + spread * (-1) ** number for number, name in enumerate(IMAGES)}
    masks = {}
    for name in IMAGES:
        mask = torch.zeros(1, 20, 20, dtype=torch.bool)
        inside = round(100 * agrees)
        mask.view(-1)[:inside] = True
        mask.view(-1)[200 : 300 - inside] = True
        masks[name] = mask
    return PredictionQuality(scores, masks, dict.fromkeys(IMAGES, 0.03), dict.fromkeys(IMAGES, 0.01))


def measured(**changes):
    """A successful distillation, with changes."""
    values = {
        "metric": "dice",
        "teacher": answered(0.80),
        "teacher_training": answered(0.95),
        "distilled": answered(0.76, agrees=0.9),
        "distilled_training": answered(0.90),
        "alone": answered(0.65, agrees=0.7),
        "labelled": 30,
        "unlabelled": 100,
        "steps": 2400,
        "curve": [(48, 0.76)],
        "loss": [(1, 1.0), (48, 0.2)],
        "gradients": {"start": GradientShare(0.6, 0.1), "end": GradientShare(0.5, 0.3)},
        "on_outputs": False,
        "commands": COMMANDS,
    }
    return Measured(**{**values, **changes})


def advice(**changes):
    return [step.action for step in next_steps(find(measured(**changes)))]


def test_nothing_is_advised_where_all_is_as_it_should_be():
    assert advice() == []
    assert verdict(measured()).startswith("Distillation helps: +11.0 (+11.0 to +11.0) points of dice, paired over 24")
    assert {one.question: one.answer for one in find(measured())} == {
        "Is the teacher better than the student alone on new images?": "yes",
        "Does the teacher tell the student more than the labels do?": "yes",
        "Are there unlabelled images?": "yes",
        "Do the distillation terms change the student's weights?": "yes",
        "Are the distilled student's predictions more like the teacher's?": "yes",
        "Was the student trained long enough?": "yes",
        "Is the teacher better where the student fails?": "yes",
    }


@pytest.mark.parametrize("dice", [0.60, 0.65])
def test_a_teacher_without_a_lead(dice):
    assert advice(teacher=answered(dice, spread=0.2), teacher_training=answered(0.65))[0] == "Find a better teacher"


def test_a_teacher_that_has_learnt_its_labels_and_no_pool():
    assert advice(unlabelled=0) == ["Distil on unlabelled images too"]
    assert advice(unlabelled=0, teacher_training=answered(0.85)) == []


def test_a_term_that_moves_nothing_and_one_that_drowns_the_labels():
    dead = {"start": GradientShare(0.01, 0.0), "end": GradientShare(0.04, 0.0)}
    assert advice(gradients=dead) == ["Raise the pathways' weights"]
    loud = {"start": GradientShare(0.97, 0.0), "end": GradientShare(0.99, 0.0)}
    assert advice(gradients=loud) == ["Lower the pathways' weights"]
    assert advice(gradients={}) == []


def test_terms_that_pull_elsewhere_are_mended_first():
    lost = {"unlabelled": 0, "distilled": answered(0.5, agrees=0.5), "teacher": answered(0.6)}
    loud = {"start": GradientShare(0.99, 0.0), "end": GradientShare(0.98, 0.0)}
    assert advice(**lost, gradients=loud) == [
        "Lower the pathways' weights",
        "Match logits",
        "Find a better teacher",
        "Distil on unlabelled images too",
    ]


@pytest.mark.parametrize("agrees", [0.7, 0.6, 0.71])
def test_a_student_that_does_not_follow_its_teacher(agrees):
    assert advice(distilled=answered(0.66, agrees)) == ["Match logits"]
    assert advice(distilled=answered(0.66, agrees), on_outputs=True) == []  # they are matched already


def test_a_training_that_was_too_short():
    rising = [(epoch, epoch / 100) for epoch in range(1, 61)]
    assert advice(curve=rising) == ["Train longer"]
    assert advice(curve=[(epoch, 0.7 if epoch == 20 else 0.5) for epoch in range(1, 61)]) == []
    assert advice(steps=420, distilled_training=answered(0.88)) == ["Train longer"]
    assert advice(steps=4000, distilled_training=answered(0.75)) == []


def test_without_the_student_alone_the_rest_is_told():
    open_ended = measured(alone=None)
    assert "is unknown" in verdict(open_ended)
    assert find(open_ended)[0].question.startswith("Is the teacher better than the distilled student")
    assert not any("more like the teacher" in one.question for one in find(open_ended))


def test_harm_and_doubt_are_said():
    assert verdict(measured(distilled=answered(0.5))).startswith("Distillation harms: −15.0")
    assert verdict(measured(distilled=answered(0.65))).startswith("Distillation did not clearly help: +0.0")


def test_agreement_is_the_dice_of_two_masks():
    first, second = PredictionQuality(), PredictionQuality()
    first.masks = {
        "a": torch.tensor([[1, 1, 0, 0]]).bool(),
        "b": torch.zeros(1, 4).bool(),
        "c": torch.ones(1, 4).bool(),
    }
    second.masks = {
        "a": torch.tensor([[1, 0, 1, 0]]).bool(),
        "b": torch.zeros(1, 4).bool(),
        "d": torch.ones(1, 4).bool(),
    }
    assert agreement(first, second) == {"a": 0.5, "b": 1.0}
