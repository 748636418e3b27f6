# SPDX-License-Identifier: Apache-2.0
"""What all adversarial methods share; each method's objectives are in a file of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import nn
from torch.optim import Optimizer

from monai_kd.features import unwrap
from monai_kd.handlers.methods.adversarial_checks import check_optimizer, check_ownership, divergence
from monai_kd.handlers.methods.predictions import Predictions, predictions
from monai_kd.utils.loss_terms import add_loss_term, require_weight

__all__ = ["AdversarialHandler"]


class AdversarialHandler(ABC):
    """
    Adversarial training: a discriminator learns to tell the student's predictions from the teacher's, and the student
    learns to deceive it. A subclass writes the objectives of both.

    On ``LOSS_COMPLETED`` the student's term is added to the loss, with the discriminator frozen, so that it gets no
    gradient from the student's loss. On ``BACKWARD_COMPLETED`` the discriminator takes its own step on the same,
    detached predictions, and accumulates gradients as the trainer does. It uses the trainer's mixed precision with its
    own gradient scaler. Where teacher and student see different views, the teacher's prediction is moved onto the
    student's grid, and pixels that the teacher did not see are blank on both sides. Both values are logged, as ``name``
    and ``name`` + "_discriminator".

    Args:
        discriminator: called with logits and image; wrap it with :func:`monai_kd.engines.distribute` for several
            processes.
        optimizer: over all parameters of the discriminator and no others.
        weight: factor of the student's term in its loss, 0 or more; the discriminator's own loss has none.
        name: the term's name in the log.
        limit: largest absolute value of either side's loss, and norm of the discriminator's gradient, that is allowed;
            beyond it, or if one is not finite, training ends.

    Raises:
        ValueError: When the optimizer does not hold the discriminator's parameters, or the student's does, or several
            processes would each train their own, or ``weight`` is negative; in the run, when the teacher's prediction
            is not known or has another shape, or the adversarial training diverges.

    Example:
        >>> class LeastSquaresHandler(AdversarialHandler):  # Mao et al., ICCV 2017, arXiv 1611.04076
        ...     def student_objective(self, discriminator, shown):
        ...         return (discriminator(shown.student) - 1).square().mean()
        ...     def discriminator_objective(self, discriminator, shown):
        ...         real, fake = discriminator(shown.teacher), discriminator(shown.student)
        ...         return (real - 1).square().mean() + fake.square().mean()
        >>> discriminator = nn.Conv2d(2, 1, 4, stride=2)
        >>> optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4)
        >>> handler = LeastSquaresHandler(discriminator, optimizer, weight=0.1, name="least_squares")
        >>> logits = torch.ones(2, 2, 8, 8)
        >>> handler.discriminator_objective(discriminator, Predictions(logits, logits, logits[:, :1], None)).shape
        torch.Size([])
    """

    def __init__(
        self, discriminator: nn.Module, optimizer: Optimizer, weight: float, name: str, limit: float = 1e6
    ) -> None:
        check_optimizer(type(self).__name__, discriminator, optimizer)
        self.discriminator = discriminator
        self.optimizer = optimizer
        require_weight("weight", weight)
        self.weight = weight
        self.name = name
        self.limit = limit
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)

    @abstractmethod
    def student_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """
        The loss of the student, a scalar.

        Args:
            discriminator: with frozen parameters.
            shown: predictions, the student's with gradient history.
        """

    @abstractmethod
    def discriminator_objective(self, discriminator: nn.Module, shown: Predictions) -> torch.Tensor:
        """
        The loss of the discriminator, a scalar.

        Args:
            discriminator: with trainable parameters.
            shown: predictions without gradient history.
        """

    def attach(self, engine: Engine) -> None:
        """Train the discriminator in every iteration of ``engine``, a :class:`monai_kd.DistillationTrainer`."""
        check_ownership(type(self).__name__, self.discriminator, engine)
        state: Any = engine.state
        device = torch.device(state.device)
        self.discriminator.to(device)
        enabled = bool(getattr(engine, "amp", False)) and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=enabled)
        engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: self.discriminator.train())
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._add_term)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._train_discriminator)

    def state_dict(self) -> dict[str, Any]:
        """The discriminator, its optimizer and its gradient scaler, for a resumed run."""
        return {
            "discriminator": unwrap(self.discriminator).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from what :meth:`state_dict` gave."""
        unwrap(self.discriminator).load_state_dict(state_dict["discriminator"])
        self.optimizer.load_state_dict(state_dict["optimizer"])
        if state_dict["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(state_dict["scaler"])

    def __repr__(self) -> str:
        """The handler's settings, discriminator and optimizer, to compare when a run is resumed."""
        plain_values = {k: v for k, v in vars(self).items() if isinstance(v, (bool, int, float, str))}
        arguments = ", ".join(f"{k}={v!r}" for k, v in plain_values.items())
        return f"{type(self).__name__}({arguments}, {unwrap(self.discriminator)!r}, {self.optimizer!r})"

    def _add_term(self, engine: Engine) -> None:
        shown = predictions(engine, type(self).__name__)
        with _frozen(self.discriminator):
            term = self.student_objective(unwrap(self.discriminator), shown)
        add_loss_term(engine, self.name, self.weight * term)
        self._round = shown._replace(student=shown.student.detach()), term.detach()

    def _train_discriminator(self, engine: Engine) -> None:
        shown, term = self._round
        del self._round  # frees the predictions
        first, last, parts = _accumulation(engine)
        if first:
            self.optimizer.zero_grad()
        with self._autocast(engine):
            loss = self.discriminator_objective(self.discriminator, shown)
        torch.autograd.backward(self.scaler.scale(loss / parts))
        norm = torch.zeros((), device=loss.device)
        if last:
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.get_total_norm([p.grad for p in self.discriminator.parameters() if p.grad is not None])
        self._check(engine, term, loss.detach(), norm)
        if last:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        state: Any = engine.state
        state.output[f"{self.name}_discriminator"] = loss.detach()

    def _autocast(self, engine: Engine) -> AbstractContextManager[Any]:
        # BACKWARD_COMPLETED, unlike LOSS_COMPLETED, is outside of MONAI's own autocast.
        if not self.scaler.is_enabled():
            return nullcontext()
        return torch.autocast("cuda", **getattr(engine, "amp_kwargs", {}))

    def _check(self, engine: Engine, *values: torch.Tensor) -> None:
        sizes = divergence(values, self.limit, self.scaler)
        if sizes is None:
            return
        raise ValueError(
            f"The adversarial training of {type(self).__name__} diverged in iteration {engine.state.iteration} (epoch "
            f"{engine.state.epoch}): the student's side is {sizes[0]:.3g}, the discriminator's loss {sizes[1]:.3g} and "
            f"the norm of its gradient {sizes[2]:.3g} (limit {self.limit:g}). Lower the discriminator's learning rate "
            f"(now {self.optimizer.param_groups[0]['lr']:g}), this term's weight (now {self.weight:g}) or the "
            "student's learning rate, and start again."
        )


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _accumulation(engine: Any) -> tuple[bool, bool, int]:
    """Whether this iteration is the first and the last of those that one step accumulates, and their number."""
    parts, length = getattr(engine, "accumulation_steps", 1), engine.state.epoch_length
    place = (engine.state.iteration - 1) % length if length else engine.state.iteration - 1
    return place % parts == 0, (place + 1) % parts == 0 or place + 1 == length, parts
