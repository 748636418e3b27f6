# SPDX-License-Identifier: Apache-2.0
"""Whether the distillation terms move the student: their share of the gradient."""

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
    The gradients of the loss's two parts in the student's weights, over a few batches.

    Args:
        share: |distillation| / (|distillation| + |supervised|), 0 to 1.
        cosine: of the angle between the two; below 0 they pull apart.
    """

    share: float
    cosine: float


def gradient_shares(run: TrainedRun, batches: int = BATCHES) -> dict[str, GradientShare]:
    """
    Measure at the student's first weights (``"start"``) and at its last (``"end"``).

    Terms of handlers (``add_loss_term``), which the config's handlers bring, are not measured.

    Args:
        run: a distillation.
        batches: how many.

    Returns:
        By name; empty where the trainer of the run is no ``DistillationTrainer``.
    """
    run = run.anew()  # its networks may hold trained weights already
    seed = int(run.get("seed", 0))
    torch.manual_seed(seed)  # as the training did, before it made the student
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

    torch.manual_seed(seed)  # the same batches and views at the start and at the end
    if isinstance(pipeline, Randomizable):
        pipeline.set_random_state(seed)
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
