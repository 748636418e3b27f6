# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.handlers import CheckpointSaver
from torch import nn
from torch.optim import Optimizer

from monai_kd.engines.loss_terms import add_loss_term
from monai_kd.features import plain, unwrap
from monai_kd.handlers.feature_hooks import FeatureHookHandler
from monai_kd.handlers.resume import ResumeHandler
from monai_kd.pathways import Pathways
from monai_kd.teachers import LiveTeacher

__all__ = ["DistillationTrainer"]


class DistillationTrainer(SupervisedTrainer):
    r"""
    MONAI's ``SupervisedTrainer`` with a teacher.

    .. math:: \mathcal{L} = w_\mathrm{supervised} \cdot \mathcal{L}_\mathrm{supervised}(z^s, y) +
              \sum_\mathrm{pathways} w \cdot \mathcal{L}_\mathrm{pathway}

    The loop stays MONAI's, and so do mixed precision, gradient accumulation, compilation, inferers and handlers: the
    pathways' terms are added to ``engine.state.output["loss"]`` at ``LOSS_COMPLETED``. Every term is logged by name in
    ``engine.state.output``, the supervised one as "supervised_loss".

    Args:
        network: the student.
        teacher: a trained network with the student's input, frozen here and kept out of every checkpoint; moved to the
            trainer's device.
        pathways: the routes of distillation; may be wrapped in ``DistributedDataParallel``, and must be if they have
            weights and training is distributed.
        optimizer: over the student's parameters and those of ``pathways``.
        loss_function: the supervised loss of (prediction, label).
        supervised_weight: factor of the supervised loss. The paper's total is 0.5 here and weight 0.5 in the pathway.
        teacher_image: the key of the teacher's view in the batch. Defaults to "teacher_image" where the batch holds it
            (:class:`monai_kd.engines.PrepareBatchViews` puts it there), else to the student's own image.
        supervised_trainer_args: all other arguments of ``monai.engines.SupervisedTrainer`` (``device``, ``max_epochs``,
            ``train_data_loader``, ``inferer``, ``amp``, ``compile``, ``accumulation_steps``, ``train_handlers`` …).

    Raises:
        ValueError: When a layer does not exist, ``iteration_update`` is given, weights of ``pathways`` are missing
            from the optimizer or from a checkpoint that resumes it, or are not wrapped for distributed training, or
            the teacher shares weights with the student.

    Example::

        trainer = DistillationTrainer(
            network=student,
            teacher=teacher,
            pathways=Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5)),
            optimizer=torch.optim.Adam(student.parameters(), 1e-4),
            loss_function=monai.losses.DiceCELoss(softmax=True, to_onehot_y=True),
            supervised_weight=0.5,
            device=device, max_epochs=10, train_data_loader=loader,
        )
        trainer.run()
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        teacher: nn.Module,
        pathways: Pathways | nn.parallel.DistributedDataParallel,
        optimizer: Optimizer,
        loss_function: Callable[..., torch.Tensor],
        supervised_weight: float = 1.0,
        teacher_image: str | None = None,
        train_handlers: Sequence[Any] | None = None,
        **supervised_trainer_args: Any,
    ) -> None:
        if "iteration_update" in supervised_trainer_args:
            raise ValueError(
                "DistillationTrainer takes no iteration_update: it would replace the step that distils. "
                "Change the step by handlers and add_loss_term, or use SupervisedTrainer."
            )
        routes = unwrap(pathways)
        if not isinstance(routes, Pathways):
            raise ValueError(f"pathways is a {type(routes).__name__}. Wrap it: Pathways(logits=Pathway(loss)).")
        _check_weights(pathways, optimizer, train_handlers or ())
        _check_teacher(teacher, network, optimizer)
        super().__init__(
            network=network, optimizer=optimizer, loss_function=self._supervised_loss, **supervised_trainer_args
        )
        self.supervised_loss = loss_function
        self.supervised_weight = supervised_weight
        self.pathways = pathways
        self.teacher_image = teacher_image
        self.teacher = LiveTeacher(teacher, routes.teacher_layers).to(self.state.device)
        pathways.to(self.state.device)
        # The whole prediction comes from the inferer, which may join windows; hooks are for inner layers.
        self._hooks = FeatureHookHandler(self.network, [layer for layer in routes.student_layers if layer])
        self._hooks.attach(self)
        self.add_event_handler(Events.EPOCH_STARTED, lambda engine: pathways.train())
        self.add_event_handler(IterationEvents.LOSS_COMPLETED, self._distil)
        # After our own, so that users' handlers see the distillation terms in the loss.
        self._register_handlers(train_handlers or ())

    def run(self) -> None:  # type: ignore[override]
        """Train; no hook outlives the run, however it ends."""
        with self.teacher:
            try:
                super().run()
            finally:
                self._hooks.close()

    def _supervised_loss(self, prediction: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        loss = self.supervised_weight * plain(self.supervised_loss(prediction, label)).mean()
        self.state.output["supervised_loss"] = loss.detach()
        return loss

    def _distil(self, engine: Engine) -> None:
        state: Any = engine.state
        batch = {**state.batch, **state.output} if isinstance(state.batch, dict) else state.output
        student = {**state.features, "": state.output["pred"]}
        teacher = self.teacher(self._teacher_view(engine), self.inferer)
        for name, term in self.pathways(student, teacher, batch).items():
            add_loss_term(engine, name, term)

    def _teacher_view(self, engine: Engine) -> torch.Tensor:
        state: Any = engine.state
        batch = state.batch if isinstance(state.batch, dict) else {}
        key = self.teacher_image or ("teacher_image" if "teacher_image" in batch else "image")
        if key == "image":
            image: torch.Tensor = state.output["image"]
            return image
        if key not in batch:
            raise ValueError(
                f"teacher_image='{key}' is not in the batch, which holds "
                f"{sorted(batch) or type(state.batch).__name__}. "
                "Copy the image under that key before the student's augmentation (CopyItemsd)."
            )
        moved: torch.Tensor = batch[key].to(state.device, non_blocking=self.non_blocking, **self.to_kwargs)
        return moved


def _check_teacher(teacher: nn.Module, network: nn.Module, optimizer: Optimizer) -> None:
    """Freezing the teacher would freeze what the student shares with it."""
    trained = {id(p) for p in network.parameters()} | {
        id(p) for group in optimizer.param_groups for p in group["params"]
    }
    shared = [name for name, p in unwrap(teacher).named_parameters() if id(p) in trained]
    if shared:
        raise ValueError(
            f"The teacher shares {len(shared)} parameters with the student or the optimizer, such as '{shared[0]}', "
            "and freezing it would freeze them. Give the teacher a copy: copy.deepcopy(network)."
        )


def _check_weights(pathways: nn.Module, optimizer: Optimizer, handlers: Sequence[Any]) -> None:
    """Weights of adapters and losses that would silently not be trained, saved or kept equal across processes."""
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
    distributed = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    if distributed and not isinstance(pathways, nn.parallel.DistributedDataParallel):
        raise ValueError(
            "The pathways have weights and training is distributed: every process would train its own. "
            "Wrap them: monai_kd.engines.distribute(pathways, device)."
        )
