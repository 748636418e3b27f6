# SPDX-License-Identifier: Apache-2.0
"""The checks of a distillation trainer before training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.handlers import CheckpointSaver
from torch import nn
from torch.optim import Optimizer

from monai_kd.features import unwrap
from monai_kd.handlers.resume import ResumeHandler
from monai_kd.utils.processes import process_count

__all__ = ["check_resuming", "check_weights"]


def check_resuming(handlers: Sequence[Any]) -> None:
    """Refuse a ``ResumeHandler`` that does not save every handler with a state, such as one with a discriminator."""
    resuming = [handler for handler in handlers if isinstance(handler, ResumeHandler)]
    stateful = [handler for handler in handlers if hasattr(handler, "load_state_dict") and not _saves(handler)]
    for handler in stateful:
        if any(handler not in resume.objects.values() for resume in resuming):
            raise ValueError(
                f"The trainer's {type(handler).__name__} has a state that the ResumeHandler does not save, and would "
                "start from scratch in a resumed run. Add it to the ResumeHandler's objects."
            )


def _saves(handler: Any) -> bool:
    return isinstance(handler, (CheckpointSaver, ResumeHandler))


def check_weights(pathways: nn.Module, optimizer: Optimizer, handlers: Sequence[Any]) -> None:
    """
    Refuse weights of adapters and losses that would silently not be trained, saved or kept equal across processes.

    Args:
        pathways: wrapped for several processes or not.
        optimizer: must hold all trainable weights of the pathways.
        handlers: those that save the optimizer must also save the pathways.
    """
    weights = {name: p for name, p in unwrap(pathways).named_parameters() if p.requires_grad}
    if not weights:
        return
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    untrained = [name for name, p in weights.items() if id(p) not in trained]
    if untrained:
        raise ValueError(
            f"The optimizer does not hold {len(untrained)} parameters of the pathways, such as '{untrained[0]}'. "
            "Build it over [*network.parameters(), *pathways.parameters()]."
        )
    for handler in handlers:
        is_saver, resumes = isinstance(handler, CheckpointSaver), isinstance(handler, ResumeHandler)
        saved = list((handler.save_dict if is_saver else handler.objects if resumes else {}).values())
        if optimizer in saved and unwrap(pathways) not in [unwrap(s) for s in saved if isinstance(s, nn.Module)]:
            raise ValueError(
                f"A {type(handler).__name__} saves the optimizer without the weights of the pathways, so its "
                f"checkpoint could not be resumed. Add 'pathways' to its {'save_dict' if is_saver else 'objects'}."
            )
    if process_count() > 1 and not isinstance(pathways, nn.parallel.DistributedDataParallel):
        raise ValueError(
            "The pathways have weights and training is distributed: every process would train its own. "
            "Wrap them: monai_kd.engines.distribute(pathways, device)."
        )
