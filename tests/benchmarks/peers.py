# SPDX-License-Identifier: Apache-2.0
"""
The same distillation step by hand and by other toolkits' public interface: same networks, batch, loss and optimizer.

Each function gives a step without arguments that returns its loss. A toolkit that cannot be imported is named, not
imagined: see ``available``.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

Step = Callable[[], Tensor]
Draw = Callable[[], dict[str, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """
    Args:
        distil: weight of the distillation loss; the supervised one has the rest of 1.
        rate: the learning rate, or the highest one of the schedule.
        steps: length of a schedule of one cycle. Defaults to 0: the rate does not change.
    """

    distil: float = 0.5
    rate: float = 1e-3
    steps: int = 0

    def scheduled(self, step: Step, optimizer: torch.optim.Optimizer) -> Step:
        """The step, which also moves the rate if there is a schedule."""
        if not self.steps:
            return step
        schedule = OneCycleLR(optimizer, self.rate, total_steps=self.steps)

        def both() -> Tensor:
            loss = step()
            schedule.step()
            return loss

        return both


PLAIN = Recipe()


def by_hand(
    student: nn.Module, teacher: nn.Module, draw: Draw, task: Loss, distil: nn.Module, recipe: Recipe = PLAIN
) -> Step:
    """The shortest loop that does the work."""
    optimizer = torch.optim.AdamW(student.parameters(), recipe.rate)

    def step() -> Tensor:
        batch = draw()
        optimizer.zero_grad()
        answer = student(batch["image"])
        with torch.no_grad():
            target = teacher(batch["image"])
        loss = (1 - recipe.distil) * task(answer, batch["label"]) + recipe.distil * distil(answer, target)
        loss.backward()
        optimizer.step()
        return loss

    return recipe.scheduled(step, optimizer)


def torchdistill(
    student: nn.Module, teacher: nn.Module, draw: Draw, task: Loss, distil: nn.Module, recipe: Recipe = PLAIN
) -> Step:
    """torchdistill's ``DistillationBox`` (Matsubara, RRPR 2021), as its examples' loops drive it."""
    from torchdistill.core.distillation import get_distillation_box
    from torchdistill.losses.registry import register_low_level_loss

    logging.getLogger("torchdistill").setLevel(logging.ERROR)
    register_low_level_loss(lambda: task, key="task")
    register_low_level_loss(lambda: distil, key="distil")
    of_student = {"is_from_teacher": False, "module_path": ".", "io": "output"}
    of_teacher = {**of_student, "is_from_teacher": True}

    def term(key: str, target: dict[str, object], weight: float) -> dict[str, object]:
        wrapper = {"key": "SimpleLossWrapper", "kwargs": {"input": of_student, "target": target}}
        return {"criterion": {"key": key, "kwargs": {}}, "criterion_wrapper": wrapper, "weight": weight}

    terms = {
        "task": term("task", {"uses_label": True}, 1 - recipe.distil),
        "distil": term("distil", of_teacher, recipe.distil),
    }
    network = {"forward_proc": "forward_batch_only"}
    config = {
        "num_epochs": 1,
        "teacher": {**network, "requires_grad": False},
        "student": network,
        "optimizer": {"key": "AdamW", "kwargs": {"lr": recipe.rate}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}},
    }
    box = get_distillation_box(teacher, student, {}, config, next(student.parameters()).device, None, False, 1.0)
    box.teacher_model.eval()

    def step() -> Tensor:
        batch = draw()
        box.pre_forward_process()
        loss = box.forward_process(batch["image"], batch["label"])
        box.post_forward_process(loss)
        return loss

    return recipe.scheduled(step, box.optimizer)


def modelopt(
    student: nn.Module, teacher: nn.Module, draw: Draw, task: Loss, distil: nn.Module, recipe: Recipe = PLAIN
) -> Step:
    """NVIDIA Model Optimizer's ``kd_loss`` mode."""
    import modelopt.torch.distill as mtd

    class Distil(nn.modules.loss._Loss):
        def forward(self, answer: Tensor, target: Tensor) -> Tensor:
            return distil(answer, target)

    balancer = mtd.StaticLossBalancer(kd_loss_weight=recipe.distil)
    config = {"teacher_model": teacher, "criterion": Distil(), "loss_balancer": balancer}
    network = mtd.convert(student, mode=[("kd_loss", config)])
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate)

    def step() -> Tensor:
        batch = draw()
        optimizer.zero_grad()
        answer = network(batch["image"])
        loss = network.compute_kd_loss(student_loss=task(answer, batch["label"]))
        loss.backward()
        optimizer.step()
        return loss

    return recipe.scheduled(step, optimizer)


class _EmptyTorchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """torchdistill imports torchvision, which has no release for torch's CPU build, and uses nothing of it here."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def exec_module(self, module: ModuleType) -> None:
        def a_class(name: str) -> type:
            if not name[0].isupper():
                raise AttributeError(name)  # a submodule: the import system finds it here
            return type(name, (nn.Module,), {})

        module.__getattr__ = a_class  # type: ignore[method-assign]
        if module.__name__ == "torchvision":
            for part in ("datasets", "models"):
                importlib.import_module(f"torchvision.{part}")


def available() -> dict[str, Callable[..., Step]]:
    """By name; those that cannot be imported are printed, with the reason."""
    if importlib.util.find_spec("torchvision") is None:
        sys.meta_path.append(_EmptyTorchvision())
    peers = {"a loop by hand": by_hand}
    for name, module, make in (
        ("torchdistill", "torchdistill.core.distillation", torchdistill),
        ("nvidia-modelopt", "modelopt.torch.distill", modelopt),
    ):
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"{name} cannot be imported here and is left out: {error}")
        else:
            peers[name] = make
    return peers
