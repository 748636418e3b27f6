# SPDX-License-Identifier: Apache-2.0
"""The distillation terms' share of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from monai.engines.utils import IterationEvents
from monai.transforms import Randomizable
from torch import Tensor, nn

from monai_kd.diagnosis.trained_run import TrainedRun
from monai_kd.teachers import load_weights

__all__ = ["GradientShare", "gradient_shares"]

BATCHES = 4


class GradientShare(NamedTuple):
    """
    The gradients of the distillation terms and of the supervised loss in the student's weights, over a few batches.

    Args:
        share: |distillation| / (|distillation| + |supervised|), 0 to 1.
        cosine: of the angle between the two gradients; below 0 they point in opposite directions.
    """

    share: float
    cosine: float


def gradient_shares(run: TrainedRun, batches: int = BATCHES) -> dict[str, GradientShare]:
    """
    Measure with the student's first weights (``"start"``) and with its last (``"end"``), on a few training batches.

    Terms that handlers add (``add_loss_term``) are not measured.

    Returns:
        By name; empty if the trainer of the run is not a ``DistillationTrainer``.
    """
    run = run.anew()  # because its networks may already have trained weights
    seed = int(run.get("seed", 0))
    torch.manual_seed(seed)  # gives the student the training's first weights
    run.get("network_def")
    trainer: Any = run.get("train#trainer")
    pipeline = run.get("train#preprocessing")
    if not hasattr(trainer, "supervised_loss"):
        return {}
    load_weights(run.get("teacher_def"), run.get("teacher_checkpoint"))
    trainer.state.max_epochs, trainer.state.epoch_length = 1, batches
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    found = {"start": _measure(trainer, batches, pipeline, seed)}
    objects = run.last["objects"]
    for name, module in (("network", run.get("network_def")), ("pathways", run.get("pathways"))):
        if isinstance(module, nn.Module) and name in objects:
            module.load_state_dict(objects[name])
    return found | {"end": _measure(trainer, batches, pipeline, seed)}


def _measure(trainer: Any, batches: int, pipeline: Any, seed: int) -> GradientShare:
    parts: dict[str, Tensor] = {}
    norms: list[tuple[float, float, float]] = []
    loss_function = trainer.loss_function
    weights = [weight for weight in trainer.network.parameters() if weight.requires_grad]

    def supervised(*arguments: Any) -> Tensor:
        parts["supervised"] = loss_function(*arguments)
        return parts["supervised"]

    def look(engine: Any) -> None:
        own = parts["supervised"]
        first, second = (_gradient(loss, weights) for loss in (own, engine.state.output["loss"] - own))
        norms.append((float(first.norm()), float(second.norm()), float(first @ second)))

    torch.manual_seed(seed)  # start and end see the same batches and views
    for source in (pipeline, trainer.prepare_batch):
        if isinstance(source, Randomizable):
            source.set_random_state(seed)
    trainer.loss_function = supervised
    trainer.state.epoch, trainer.state.iteration = 0, 0
    try:
        with trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, look):
            trainer.run()
    finally:
        trainer.loss_function = loss_function
    supervised_norm, distilled, product = (sum(column) / len(norms) for column in zip(*norms, strict=True))
    both = supervised_norm + distilled
    lengths = sum(a * b for a, b, _ in norms) / len(norms)
    return GradientShare(distilled / both if both else 0.0, product / lengths if lengths else 0.0)


def _gradient(loss: Tensor, weights: Iterable[nn.Parameter]) -> Tensor:
    if not loss.requires_grad:
        return torch.zeros(sum(weight.numel() for weight in weights))
    weights = list(weights)
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    pieces = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]
    return torch.cat([piece.flatten().float().cpu() for piece in pieces])
