# SPDX-License-Identifier: Apache-2.0
"""The share of the gradient, against two gradients taken by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.diagnosis.gradients import gradient_shares
from monai_kd.losses import LogitsKLLoss


class Run:
    """The objects of a run's config, made in Python."""

    def __init__(self, weight, folder, start, end):
        torch.manual_seed(0)
        self.student, self.teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        self.student.load_state_dict(start)
        torch.save(self.teacher.state_dict(), folder / "teacher.pt")
        self.batches = [
            {"image": torch.rand(4, 1, 8, 8), "label": torch.randint(2, (4, 1, 8, 8))[:, 0].long()} for _ in range(2)
        ]
        self.pathways = Pathways(logits=Pathway(LogitsKLLoss(2.0), weight=weight))
        trainer = DistillationTrainer(
            network=self.student,
            teacher=self.teacher,
            pathways=self.pathways,
            optimizer=torch.optim.SGD(self.student.parameters(), 1.0),
            loss_function=nn.CrossEntropyLoss(),
            supervised_weight=0.5,
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=self.batches,
        )
        self.values = {
            "train#trainer": trainer,
            "network_def": self.student,
            "teacher_def": self.teacher,
            "teacher_checkpoint": str(folder / "teacher.pt"),
            "pathways": self.pathways,
        }
        self.last = {"objects": {"network": end}}

    def anew(self):
        return self

    def get(self, name, default=None):
        return self.values.get(name, default)

    def expected(self, state, weight):
        self.student.load_state_dict(state)
        rows = []
        for batch in self.batches:
            prediction = self.student(batch["image"])
            with torch.no_grad():
                answer = self.teacher(batch["image"])
            losses = (
                0.5 * nn.functional.cross_entropy(prediction, batch["label"]),
                weight * LogitsKLLoss(2.0)(prediction, answer),
            )
            own, taught = (
                torch.cat(
                    [g.flatten() for g in torch.autograd.grad(loss, self.student.parameters(), retain_graph=True)]
                )
                for loss in losses
            )
            rows.append((own.norm(), taught.norm(), own @ taught))
        own, taught, product = (sum(column) / 2 for column in zip(*rows, strict=True))
        return float(taught / (own + taught)), float(product / (sum(a * b for a, b, _ in rows) / 2))


@pytest.mark.parametrize("weight", [0.5, 20.0])
def test_gradients_by_hand(weight, tmp_path):
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(nn.Conv2d(1, 2, 1).state_dict())
    run = Run(weight, tmp_path, *states)
    found = gradient_shares(run, batches=2)
    assert all(torch.equal(value, states[1][name]) for name, value in run.student.state_dict().items())
    for name, state in zip(("start", "end"), states, strict=True):
        share, cosine = run.expected(state, weight)
        assert found[name].share == pytest.approx(share, rel=1e-5)
        assert found[name].cosine == pytest.approx(cosine, rel=1e-5)


def test_a_trainer_without_a_teacher_has_no_shares(tmp_path):
    state = nn.Conv2d(1, 2, 1).state_dict()
    run = Run(1.0, tmp_path, state, state)
    run.values["train#trainer"] = object()
    assert gradient_shares(run) == {}
