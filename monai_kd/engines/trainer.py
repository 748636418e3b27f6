# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from torch import nn
from torch.optim import Optimizer

from monai_kd.distiller import Distiller, supervised_loss
from monai_kd.engines.cached_teacher_checks import check_cached_view
from monai_kd.engines.distributed import name_lost_process
from monai_kd.engines.first_step_checks import TermCheck, check_all_learn
from monai_kd.engines.labelled_samples import labelled
from monai_kd.engines.setup_checks import check_resuming, check_weights
from monai_kd.features import unwrap
from monai_kd.handlers.feature_hooks import FeatureHookHandler
from monai_kd.handlers.finite_loss import FiniteLossHandler
from monai_kd.outputs import inner_layers, main_output
from monai_kd.pathways import Pathways
from monai_kd.teachers import CachedTeacher, LiveTeacher, as_teacher
from monai_kd.utils.loss_terms import add_loss_term
from monai_kd.utils.plain_tensor import plain

__all__ = ["DistillationTrainer"]


class DistillationTrainer(SupervisedTrainer):
    r"""
    MONAI's ``SupervisedTrainer`` with a teacher.

    .. math:: \mathcal{L} = w_\mathrm{supervised} \cdot \mathcal{L}_\mathrm{supervised}(z^s, y) +
              \sum_\mathrm{pathways} w \cdot \mathcal{L}_\mathrm{pathway}

    The training loop, mixed precision, gradient accumulation, compilation, inferers and handlers are MONAI's. The terms
    of the pathways are added to ``engine.state.output["loss"]`` at ``LOSS_COMPLETED``. ``engine.state.output`` holds
    every term by name for the log, the supervised one as "supervised_loss". From that event until the next iteration,
    ``engine.state.features`` holds the student's layers that the pathways name, and ``engine.state.teacher_features``
    the teacher's, on the grid of its own view; ``""`` is its output. A student of several outputs is trained on all
    that ``loss_function`` takes; after the backward step, ``engine.state.output["pred"]`` is the main one alone.

    Args:
        network: the student.
        teacher: a trained network with the student's input. It is frozen, moved to the trainer's device, and never
            saved in a checkpoint. It runs on every batch; a :class:`monai_kd.CachedTeacher` runs once on every image.
        pathways: the distillation losses; wrap them in ``DistributedDataParallel`` if they have weights and training is
            distributed.
        optimizer: over the student's parameters and those of ``pathways``.
        loss_function: the supervised loss of (prediction, label). If the batch holds "has_label", it is the loss of the
            labelled samples only, and zero without any; each process then takes the mean over its own samples.
        supervised_weight: factor of the supervised loss. For the weights of Behboodi et al. (2025), set 0.5 here and in
            the pathway.
        teacher_image: key of the teacher's view in the batch. Defaults to None: "teacher_image" if the batch has it
            (from :class:`monai_kd.engines.PrepareBatchViews`), else the student's image.
        train_handlers: handlers of MONAI, ignite and :mod:`monai_kd.handlers`, attached in this order after the
            trainer's own.
        supervised_trainer_args: all other arguments of ``monai.engines.SupervisedTrainer`` (``device``, ``max_epochs``,
            ``train_data_loader``, ``inferer``, ``amp``, ``compile``, ``accumulation_steps`` …).

    Raises:
        ValueError: When a layer does not exist, ``iteration_update`` is given, weights of ``pathways`` are missing
            in the optimizer or in a checkpoint that resumes it, or are not wrapped for distributed training, or
            the teacher shares weights with the student; in the run, when a loss is not finite
            (:class:`monai_kd.handlers.FiniteLossHandler`).

    Example:
        >>> from monai.losses import DiceCELoss
        >>> from monai_kd.engines import loss_terms
        >>> from monai_kd.losses import LogitsKLLoss
        >>> from monai_kd.pathways import Pathway, Pathways
        >>> student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        >>> trainer = DistillationTrainer(
        ...     network=student,
        ...     teacher=teacher,
        ...     pathways=Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5)),
        ...     optimizer=torch.optim.Adam(student.parameters(), 1e-4),
        ...     loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        ...     supervised_weight=0.5,
        ...     device=torch.device("cpu"),
        ...     max_epochs=2,
        ...     train_data_loader=[{"image": torch.rand(4, 1, 16, 16), "label": torch.ones(4, 1, 16, 16)}],
        ... )
        >>> trainer.run()
        >>> sorted(loss_terms(trainer.state.output))
        ['logits', 'loss', 'supervised_loss']
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        teacher: nn.Module | LiveTeacher,
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
                "DistillationTrainer takes no iteration_update, because it would replace the step that distils. "
                "Change the step with handlers and add_loss_term, or use SupervisedTrainer."
            )
        routes = unwrap(pathways)
        if not isinstance(routes, Pathways):
            raise ValueError(f"pathways is a {type(routes).__name__}. Wrap it: Pathways(logits=Pathway(loss)).")
        check_weights(pathways, optimizer, train_handlers or ())
        check_resuming(train_handlers or ())
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        teacher = as_teacher(teacher, routes.teacher_layers, [*network.parameters(), *trained])
        super().__init__(
            network=network, optimizer=optimizer, loss_function=self._supervised_loss, **supervised_trainer_args
        )
        self.supervised_loss = loss_function
        self.distiller = Distiller(self.network, teacher, pathways, loss_function, supervised_weight)
        self.teacher_image = teacher_image
        self.teacher, self.pathways = teacher.to(self.state.device), pathways
        pathways.to(self.state.device)
        # Hooks are for inner layers; the whole prediction comes from the inferer, which may join windows.
        self._hooks = FeatureHookHandler(self.network, inner_layers(routes.student_layers))
        self._hooks.attach(self)
        self.add_event_handler(Events.EPOCH_STARTED, lambda engine: pathways.train())
        self.add_event_handler(Events.ITERATION_STARTED, self._forget)
        self.add_event_handler(IterationEvents.LOSS_COMPLETED, self._distil)
        self.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._keep_main_output)
        FiniteLossHandler().attach(self)  # before handlers that save weights
        # After our own handlers, so that users' handlers see the distillation terms in the loss.
        self._register_handlers(train_handlers or ())
        self._check = TermCheck(routes)
        self.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._check.finish())

    def run(self) -> None:  # type: ignore[override]
        """Train. Hooks are removed however the run ends, and the loss of another process has an error of its own."""
        self._check.restart()
        # Added at the start of each run, so that it comes after all handlers that add to the loss.
        self._first_step = self.add_event_handler(IterationEvents.LOSS_COMPLETED, self._check_weights)
        with self.teacher, name_lost_process(), self._first_step:
            try:
                super().run()
            finally:
                self._hooks.close()

    def _check_weights(self, engine: Engine) -> None:
        self._first_step.remove()
        state: Any = engine.state
        check_all_learn(state.output["loss"], {"student": self.network, "pathways": self.pathways})

    def task_loss(self, prediction: Any, label: torch.Tensor) -> torch.Tensor:
        """
        The supervised loss of this iteration's labelled samples, a scalar without its weight.

        It is zero where no sample has a label.

        Args:
            prediction: of the student, or of another network for the same batch; a tensor, or several outputs that the
                loss function takes.
            label: of the batch, shape B1H[WD] or (B,); not read where its "has_label" is 0.
        """
        prediction, label = labelled(prediction, label, self.state.batch)
        if len(label) == 0:
            return 0.0 * _any_tensor(prediction).sum()
        return supervised_loss(self.supervised_loss, prediction, label)

    def _supervised_loss(self, prediction: Any, label: torch.Tensor) -> torch.Tensor:
        loss = self.distiller.supervised_weight * self.task_loss(prediction, label)
        self.state.output["supervised_loss"] = loss.detach()
        return loss

    def _distil(self, engine: Engine) -> None:
        state: Any = engine.state
        batch = {**state.batch, **state.output} if isinstance(state.batch, dict) else state.output
        student = self.distiller.student_features(state.output["pred"], state.features, state.output["image"])
        image = self.teacher_view()
        if isinstance(self.teacher, CachedTeacher):
            check_cached_view(self.teacher, engine, has_own_image=image is not state.output["image"])
        names = {"names": batch["id"]} if "id" in batch and isinstance(self.teacher, CachedTeacher) else {}
        state.teacher_features = self.teacher(image, self.inferer, **names)
        terms = self.distiller.compare(student, state.teacher_features, state.output["image"], batch)
        if self._check.pending:
            self._check.look(engine, student, terms)
        for name, term in terms.items():
            add_loss_term(engine, name, term)

    @staticmethod
    def _keep_main_output(engine: Engine) -> None:
        """Of several outputs, post-processing and metrics take the main one, as they do in evaluation."""
        state: Any = engine.state
        image, prediction = state.output["image"], state.output["pred"]
        if isinstance(prediction, torch.Tensor) and prediction.ndim <= image.ndim:
            return
        with contextlib.suppress(ValueError):  # which one it is, only the user knows
            state.output["pred"] = main_output(prediction, image, "The student", "student")

    @staticmethod
    def _forget(engine: Engine) -> None:
        state: Any = engine.state
        state.teacher_features = {}

    def teacher_view(self) -> torch.Tensor:
        """
        The image that the teacher sees in this iteration, shape BNH[WD], on the trainer's device.

        Raises:
            ValueError: When the batch does not hold it.
        """
        state: Any = self.state
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


def _any_tensor(prediction: Any) -> torch.Tensor:
    """The first tensor of a prediction, which may be a list or a dictionary."""
    while not isinstance(prediction, torch.Tensor):
        prediction = next(iter(prediction.values() if isinstance(prediction, dict) else prediction))
    return plain(prediction)
