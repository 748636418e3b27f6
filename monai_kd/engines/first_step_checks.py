# SPDX-License-Identifier: Apache-2.0
"""Checks of a distillation trainer's first steps: every term needs a gradient, and so does every weight."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_kd.features import unwrap
from monai_kd.pathways import Pathways
from monai_kd.utils.loss_terms import tell_no_gradient

__all__ = ["TermCheck", "check_all_learn", "reachable_leaves"]

# Number of steps in which a term may have a gradient of exactly 0, for example because a batch shows one class only.
PATIENCE = 10


def reachable_leaves(value: Any) -> dict[int, torch.Tensor] | None:
    """
    The leaves (weights, mostly) that get a gradient from a tensor, by ``id``.

    None where the graph hides some of them, as a reentrant checkpoint does.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> sorted(leaf.shape for leaf in reachable_leaves(layer(torch.zeros(1, 2))).values())
        [torch.Size([1]), torch.Size([1, 2])]
    """
    leaves, seen, waiting = {}, set(), [value.grad_fn] if isinstance(value, torch.Tensor) else []
    if isinstance(value, torch.Tensor) and value.grad_fn is None and value.requires_grad:
        return {id(value): value}
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "CheckpointFunction" in node.name():
            return None
        if hasattr(node, "variable"):
            leaves[id(node.variable)] = node.variable
        waiting += [following for following, _ in node.next_functions]
    return leaves


class TermCheck:
    """
    Warns once about each pathway that teaches the student nothing.

    It warns in the first step if a layer has no gradient. A gradient of exactly 0 can be correct in single steps (a
    batch of one class, a student that starts as a copy of its teacher), so it warns after ten such steps, or at the end
    of the first epoch. A pathway of weight 0 is checked once a schedule has raised its weight. Afterwards the check has
    no cost.

    Example:
        >>> from monai_kd import Pathway
        >>> from monai_kd.losses import LogitsKLLoss
        >>> check = TermCheck(Pathways(logits=Pathway(LogitsKLLoss())))
        >>> check.pending
        {'logits': 0}
    """

    def __init__(self, pathways: Pathways) -> None:
        self.pathways = pathways
        self.restart()

    def restart(self) -> None:
        """Check all pathways again, as at the start of a run."""
        self.pending = {name: 0 for name, _ in self.pathways.items()}

    def look(self, engine: Engine, student: Mapping[str, Any], terms: Mapping[str, torch.Tensor]) -> None:
        """
        Check the terms of one step.

        Args:
            student: the student's features by layer, shape BNH[WD].
            terms: the pathways' scalars by name, with gradient history.
        """
        pathways = dict(self.pathways.items())
        for name in [name for name in self.pending if pathways[name].weight]:
            dead = [layer for layer in dict.fromkeys(pathways[name].student_layers) if not _learns(student[layer])]
            if dead:
                del self.pending[name]
                tell_no_gradient(name, dead)
                continue
            self.pending[name] += 1
            if _moves(engine, terms[name], [student[layer] for layer in pathways[name].student_layers]):
                del self.pending[name]
            elif self.pending[name] == PATIENCE:
                self._tell_zero(name)

    def finish(self) -> None:
        """Warn, at the end of the first epoch, about pathways that had no gradient until now."""
        for name in [name for name, steps in self.pending.items() if steps]:
            self._tell_zero(name)

    def _tell_zero(self, name: str) -> None:
        steps = self.pending.pop(name)
        loss = type(dict(self.pathways.items())[name].loss).__name__
        warnings.warn(
            f"The pathway '{name}' taught the student nothing in {steps} step(s): the gradient of its {loss} is 0. "
            "That is correct only if student and teacher agree, or if the batches show nothing to compare (one class, "
            "for example). Otherwise the layer's output is constant (zeros after a ReLU, for example) or the loss does "
            "not depend on it: check both, or name another student_layer.",
            stacklevel=2,
        )


def _learns(feature: Any) -> bool:
    leaves = reachable_leaves(feature)
    return leaves is None or any(isinstance(leaf, nn.Parameter) for leaf in leaves.values())


def _moves(engine: Engine, term: torch.Tensor, features: list[torch.Tensor]) -> bool:
    """Whether a term has a gradient with respect to one of the student's features."""
    if not term.requires_grad:
        return False
    scaler: Any = getattr(engine, "scaler", None)
    scale = scaler.get_scale() if scaler is not None and scaler.is_enabled() else 1.0
    try:  # scaled, because half precision would lose small gradients
        wanted = [feature for feature in features if feature.requires_grad]
        with torch.autocast(term.device.type, enabled=False):
            gradients = torch.autograd.grad(scale * term, wanted, retain_graph=True, allow_unused=True)
    except RuntimeError:  # a reentrant checkpoint in an adapter or a loss cannot be checked
        return True
    return any(bool((gradient != 0).any()) for gradient in gradients if gradient is not None)


def check_all_learn(loss: torch.Tensor, modules: Mapping[str, nn.Module]) -> None:
    """
    Refuse a trainable weight without gradient, for which ``DistributedDataParallel`` would wait.

    Args:
        loss: the total of a step, a scalar, before its backward pass.
        modules: by name; those without ``DistributedDataParallel`` are not checked.
    """
    waiting = {name: module for name, module in modules.items() if _waits(module)}
    leaves = reachable_leaves(loss) if waiting else None
    if leaves is None:
        return
    for called, module in waiting.items():
        unused = [name for name, p in unwrap(module).named_parameters() if p.requires_grad and id(p) not in leaves]
        if unused:
            parts = list(_parts(unused))
            raise ValueError(
                f"{len(unused)} weights of the {called} get no gradient in this training: those of {parts}, such as "
                f"'{unused[0]}'. Several processes would wait for them forever. Freeze that part before it is wrapped "
                "(requires_grad_(False)), or wrap with distribute(module, device, find_unused_parameters=True)."
            )


def _waits(module: nn.Module) -> bool:
    if not isinstance(module, DistributedDataParallel):
        return False
    return not (module.find_unused_parameters or module.static_graph)


def _parts(names: list[str]) -> Iterator[str]:
    """The first three modules that hold these weights."""
    owners = dict.fromkeys(name.rpartition(".")[0] or name for name in names)
    yield from list(owners)[:3]
