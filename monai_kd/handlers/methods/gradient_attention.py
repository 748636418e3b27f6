# SPDX-License-Identifier: Apache-2.0
"""Gradient-based attention transfer: compares both networks' gradients with respect to the image."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import nn

from monai_kd.losses import GradientAttentionLoss
from monai_kd.teachers import CachedTeacher
from monai_kd.utils.loss_terms import add_loss_term
from monai_kd.utils.plain_tensor import plain

__all__ = ["GradientAttentionHandler"]


class GradientAttentionHandler:
    r"""
    Adds the distance between both networks' gradients of the task loss with respect to the image (AT, gradient-based).

    .. math:: w \cdot \mathcal{L}(J^s, J^t), \qquad J_b = B \cdot \partial \mathcal{L}_\mathrm{task} / \partial x_b

    The task loss is the trainer's ``loss_function`` without a weight, a mean over the B samples. The student's gradient
    uses the forward pass of the training step, so batch statistics are updated once and dropout is the same. The step
    then differentiates through this gradient (second order). The teacher runs a second time, with gradients.

    The term does not depend on the number of processes, if the task loss is a mean over the samples. In mixed precision
    the trainer's scaler scales the gradients while they are computed.

    Source: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017, arXiv 1612.03928, section 3.2.
    Their variant without a teacher, which makes an image's gradient symmetric to that of the flipped image, is not
    included.

    Args:
        weight: factor of the term, the paper's beta.
        loss: compares the student's and the teacher's gradient. Defaults to None:
            :class:`monai_kd.losses.GradientAttentionLoss`.
        name: the term's name in the log.

    Raises:
        ValueError: When attached to a trainer that has no live teacher or is compiled; in the run, when the batch is
            no dictionary, the teacher's image has another geometry, there is no gradient with respect to the image, or
            the term is not finite.

    Example:
        >>> from monai.losses import DiceCELoss
        >>> from monai_kd.engines import DistillationTrainer, loss_terms
        >>> from monai_kd.losses import LogitsKLLoss
        >>> from monai_kd.pathways import Pathway, Pathways
        >>> student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        >>> trainer = DistillationTrainer(
        ...     network=student,
        ...     teacher=teacher,
        ...     pathways=Pathways(logits=Pathway(LogitsKLLoss())),
        ...     optimizer=torch.optim.Adam(student.parameters(), 1e-4),
        ...     loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        ...     device=torch.device("cpu"),
        ...     max_epochs=1,
        ...     train_data_loader=[{"image": torch.rand(2, 1, 16, 16), "label": torch.ones(2, 1, 16, 16)}],
        ...     train_handlers=[GradientAttentionHandler(weight=1.0)],
        ... )
        >>> trainer.run()
        >>> sorted(loss_terms(trainer.state.output))
        ['gradient_attention', 'logits', 'loss', 'supervised_loss']
    """

    def __init__(self, weight: float, loss: nn.Module | None = None, name: str = "gradient_attention") -> None:
        self.weight = weight
        self.loss = GradientAttentionLoss() if loss is None else loss
        self.name = name

    def __repr__(self) -> str:
        return f"GradientAttentionHandler(weight={self.weight}, loss={self.loss})"

    def attach(self, engine: Engine) -> None:
        """Add the term in every iteration of ``engine``, a :class:`monai_kd.DistillationTrainer`."""
        teacher = getattr(engine, "teacher", None)
        if teacher is None or isinstance(teacher, CachedTeacher):
            held = "no teacher" if teacher is None else f"a {type(teacher).__name__}"
            raise ValueError(
                f"GradientAttentionHandler got a {type(engine).__name__} with {held}: it needs the teacher's gradient "
                "for each image. Use DistillationTrainer with a live teacher: give it the network itself."
            )
        if getattr(engine, "compile", False):
            raise ValueError(
                "GradientAttentionHandler differentiates twice, which compiled networks do not allow. Set "
                "compile=False."
            )
        engine.add_event_handler(Events.ITERATION_STARTED, self._follow_image)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    @staticmethod
    def _follow_image(engine: Engine) -> None:
        """Track gradients of the image from here on, through everything that the trainer computes from it."""
        state: Any = engine.state
        if not isinstance(state.batch, dict) or "image" not in state.batch:
            held = sorted(state.batch) if isinstance(state.batch, dict) else type(state.batch).__name__
            raise ValueError(
                f"GradientAttentionHandler got a batch of {held}, expected a dictionary with 'image'. "
                "Let the data set give dictionaries."
            )
        state.batch = {**state.batch, "image": state.batch["image"].detach().requires_grad_()}

    def __call__(self, engine: Any) -> None:
        state: Any = engine.state
        if "teacher_geometry" in state.batch:
            raise ValueError(
                "GradientAttentionHandler compares gradients with respect to the image, but the teacher's image has a "
                "geometry of its own, for which there is no label. Let both share one: "
                "PrepareBatchViews(..., aligned=False)."
            )
        student = self._gradient(engine, state.output["pred"], state.output["image"], create_graph=True)
        image = plain(engine.teacher_view()).detach().requires_grad_()
        teacher = self._gradient(engine, engine.teacher.output(image, engine.inferer), image)
        state.output["image"] = state.output["image"].detach()
        term = self.weight * self.loss(student, teacher)
        self._check(engine, term)
        add_loss_term(engine, self.name, term)

    @staticmethod
    def _gradient(
        engine: Any, prediction: torch.Tensor, image: torch.Tensor, create_graph: bool = False
    ) -> torch.Tensor:
        scale, gradient = _scale(engine), None
        loss = engine.task_loss(prediction, engine.state.output["label"])
        if image.requires_grad:
            with torch.autocast(image.device.type, enabled=False):
                (gradient,) = torch.autograd.grad(
                    len(image) * scale * loss, image, create_graph=create_graph, allow_unused=True
                )
        if gradient is None:
            raise ValueError(
                "GradientAttentionHandler finds no gradient of the task loss with respect to the image. Use a "
                "prepare_batch, network and loss that do not detach it."
            )
        return plain(gradient).float() / scale

    def _check(self, engine: Any, term: torch.Tensor) -> None:
        # In mixed precision the trainer's scaler skips this step and tries a smaller scale.
        if not term.isfinite() and _scale(engine) <= 1:
            raise ValueError(
                f"The term '{self.name}' is {term.item()} in iteration {engine.state.iteration}. Lower the learning "
                f"rate, or its weight of {self.weight}."
            )


def _scale(engine: Any) -> float:
    """The scaler's factor, without which half precision would lose small gradients."""
    scaler = engine.scaler
    return 1.0 if scaler is None else float(scaler.get_scale())
