# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from monai.networks.utils import eval_mode
from torch import nn
from torch.utils.data import Dataset

from monai_kd.features import FeatureHooks, unwrap
from monai_kd.handlers.methods.head_gradients import count_weights, head_gradients
from monai_kd.handlers.methods.target_images import TargetImages
from monai_kd.losses.parts.gradient_bank import GradientBank
from monai_kd.losses.trajectory import TrajectoryLoss
from monai_kd.transforms.class_mix import class_mix
from monai_kd.utils.loss_terms import add_loss_term
from monai_kd.utils.plain_tensor import plain

__all__ = ["TrajectoryHandler"]


class TrajectoryHandler:
    r"""
    Adapts a segmentation network to a domain without labels, by optimization trajectory distillation.

    .. math:: \mathcal{L} \mathrel{+}= w_\mathrm{mixed} \mathcal{L}(z_\mathrm{mix}, y_\mathrm{mix}) +
              w \big[\mathrm{MSE}(\Pi_\mu \bar\mu_\mathrm{mix}, \Pi_\mu \bar\mu_\mathrm{src}) +
              \mathrm{MSE}(\Pi_v \bar v_\mathrm{mix}, \Pi_v \bar v_\mathrm{src})\big], \qquad
              \nabla_l \leftarrow \nabla_l + w_\mathrm{self} U_l U_l^\top \nabla_l

    There is one network. The "teacher" is the mean and variance of the head's gradients on the labelled images (source,
    the trainer's batch); the "student" is the same for the unlabelled images (target).
    :class:`monai_kd.losses.trajectory.TrajectoryLoss` compares the two (cross-domain stream). The self stream
    amplifies, before each step, the part of the gradient that lies in the subspace of past gradients.

    The network itself labels each target image, in evaluation mode; pixels with a probability below ``confidence``
    become background. With ``paste``, the source's objects and their labels are then pasted onto it. The compared
    gradients are those of the cross-entropy with respect to the head only: 2 · batch · (weights of the head) numbers. A
    head of more than 100,000 weights is refused. Source and mixed images pass through the network together once more,
    so a step costs about three and a half plain ones.

    Source: Fan et al., "Taxonomy adaptive cross-domain adaptation in medical imaging via optimization trajectory
    distillation", ICCV 2023, arXiv 2307.14709, with the numbers of the authors' code. There are two differences. The
    authors have a few labelled target images with new classes, whose objects they paste, and further terms for these
    classes; here the target has no labels, so the pasted objects are the source's (as in DACS, Tranheden et al. 2021).
    And no second optimizer starts after the warm-up. Several processes share the statistics of all samples, and each
    draws its own target images.

    Args:
        network: the network in training, wrapped or not.
        target: images of the target domain, as dictionaries with "image", of the source's size; labels are not read.
            Every epoch has a new random order and seeds the data set's random transforms, from torch's global
            generator. The training data must not share these transforms.
        head: module name of the layer that gives the logits. It takes and returns one tensor, and the layers after it
            must not mix samples (no batch normalization).
        weight: factor of the cross-domain stream; 0 leaves it out. Defaults to 1000.
        mixed_weight: factor of the supervised loss on mixed images. Defaults to 0.1.
        self_weight: factor of the self stream; 0 leaves it out. Defaults to 0.1.
        self_layers: layers for the self stream, which uses their weights of more than one axis. Defaults to None: the
            head; the authors use the decoder before it. A weight of n numbers needs 2 · n · min(0.8 · n, ``most``)
            more.
        loss_function: compares predictions on mixed images with their labels. Defaults to None: Dice and cross-entropy.
        paste: paste objects of the source onto target images. Defaults to True.
        confidence: a target pixel below this class probability becomes background. Defaults to 0.7.
        warmup: number of epochs on the source only. Defaults to 1.
        gradient_scale: factor of the compared gradients, above 0. Defaults to 1/8, because the authors' gradients are
            of the mean loss of eight images (four of each domain); so the value does not depend on the batch size.
        most: limit of the number of past gradients kept. Defaults to 300.
        loss_arguments: ``momentum``, ``energy``, ``refills``, ``both_ways`` of ``TrajectoryLoss``.

    Raises:
        ValueError: When a layer does not exist, the head is too large, or an argument is out of range; in the run, when
            images or labels do not fit, or a gradient is not finite. Nothing is then saved.

    Example:
        >>> from monai.engines import SupervisedTrainer
        >>> from monai_kd.engines import loss_terms
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
        >>> target = [{"image": torch.rand(1, 8, 8)} for _ in range(4)]  # as from monai_kd.data.UnlabelledDataset
        >>> trainer = SupervisedTrainer(
        ...     network=network,
        ...     optimizer=torch.optim.SGD(network.parameters(), 0.01),
        ...     loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        ...     device=torch.device("cpu"),
        ...     max_epochs=2,
        ...     train_data_loader=[{"image": torch.rand(2, 1, 8, 8), "label": torch.ones(2, 1, 8, 8)}],
        ...     train_handlers=[TrajectoryHandler(network, target, head="2")],
        ... )
        >>> trainer.run()
        >>> sorted(loss_terms(trainer.state.output))
        ['loss', 'mixed_images', 'trajectory']
    """

    def __init__(
        self,
        network: nn.Module,
        target: Dataset[Any],
        head: str,
        weight: float = 1000.0,
        mixed_weight: float = 0.1,
        self_weight: float = 0.1,
        self_layers: Sequence[str] | None = None,
        loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        paste: bool = True,
        confidence: float = 0.7,
        warmup: int = 1,
        gradient_scale: float = 0.125,
        most: int = 300,
        **loss_arguments: Any,
    ) -> None:
        self.network, self.head = unwrap(network), head
        self.target = TargetImages(target)
        self.weight, self.mixed_weight, self.self_weight = weight, mixed_weight, self_weight
        self.paste, self.confidence, self.warmup, self.gradient_scale = paste, confidence, warmup, gradient_scale
        self.loss_function = loss_function or DiceCELoss(softmax=True, to_onehot_y=True)
        layers = [head] if self_layers is None else list(self_layers)
        FeatureHooks(self.network, [head, *layers])  # raises an error, with the closest name, if one does not exist
        self._check_arguments()
        self.cross = TrajectoryLoss(count_weights(self.network, head), most=most, **loss_arguments)
        weights = [p for layer in layers for p in self.network.get_submodule(layer).parameters() if p.ndim > 1]
        self._strengthened = list(dict.fromkeys(weights)) if self_weight else []
        self.own = nn.ModuleList(GradientBank(p.numel(), most=most) for p in self._strengthened)

    def attach(self, engine: Engine) -> None:
        """Adapt the network of ``engine``, a ``SupervisedTrainer`` or ``DistillationTrainer`` of the source images."""
        engine.add_event_handler(Events.STARTED, self._check_trainer)
        engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: self.target.restart())
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._add_terms)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._strengthen)

    def __repr__(self) -> str:
        names = ("head", "weight", "mixed_weight", "self_weight", "paste", "confidence", "warmup", "gradient_scale")
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"TrajectoryHandler({settings}, cross={self.cross!r}, own={self.own!r})"

    def state_dict(self) -> dict[str, Any]:
        """The running averages and past gradients of both streams."""
        return {"cross": self.cross.state_dict(), "own": self.own.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from what :meth:`state_dict` gave."""
        self.cross.load_state_dict(state_dict["cross"])
        self.own.load_state_dict(state_dict["own"])

    def _add_terms(self, engine: Engine) -> None:
        state: Any = engine.state
        if state.epoch <= self.warmup:
            return
        image, label = plain(state.output["image"]), plain(state.output["label"])
        mixed, mixed_label = self._mixed(image, label)
        both, labels = torch.cat([image, mixed]), torch.cat([label, mixed_label])
        logits, gradients = head_gradients(self.network, self.head, both, labels)
        loss = plain(self.loss_function(logits[len(image) :], mixed_label)).mean()
        if not bool(gradients.isfinite().all() & loss.isfinite()):
            raise self._not_finite(f"the gradient of the head '{self.head}' or the loss of mixed images", engine)
        add_loss_term(engine, "mixed_images", self.mixed_weight * loss)
        if self.weight:
            source, target = (self.gradient_scale * gradients).tensor_split([len(image)])
            term = self.cross.to(gradients.device)(target, source)
            add_loss_term(engine, "trajectory", self.weight * term)

    def _mixed(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        target = self.target.draw(len(image)).to(image)
        with eval_mode(self.network):
            probability, classes = plain(self.network(target)).softmax(1).max(1, keepdim=True)
        guessed = torch.where(probability < self.confidence, 0, classes).to(label.dtype)
        return class_mix(image, label, target, guessed) if self.paste else (target, guessed)

    @torch.no_grad()
    def _strengthen(self, engine: Engine) -> None:
        if engine.state.epoch <= self.warmup or not self._strengthened:
            return
        scaler: Any = getattr(engine, "scaler", None)
        scale = scaler.get_scale() if scaler is not None and scaler.is_enabled() else None
        banks = zip(cast("Iterable[GradientBank]", self.own), self._strengthened, strict=True)
        pairs = [(bank, p.grad) for bank, p in banks if p.grad is not None]
        if not all(bool(gradient.isfinite().all()) for _, gradient in pairs):
            if scale is None:
                raise self._not_finite("a gradient", engine)
            return  # the scaler skips this step and tries a smaller scale
        for bank, gradient in pairs:
            flat = gradient.flatten().float()
            bank.to(flat.device).push(flat / (scale or 1.0))
            gradient += self.self_weight * bank.project(flat).reshape(gradient.shape)

    def _not_finite(self, what: str, engine: Engine) -> ValueError:
        return ValueError(
            f"Trajectory distillation: {what} is not finite in iteration {engine.state.iteration} "
            f"(epoch {engine.state.epoch}). Lower the learning rate or weight={self.weight}, or check the images."
        )

    def _check_trainer(self, engine: Engine) -> None:
        if self._strengthened and getattr(engine, "accumulation_steps", 1) > 1:
            raise ValueError(
                "The self stream changes whole gradients, but the trainer accumulates them. Set accumulation_steps=1, "
                "or self_weight=0."
            )

    def _check_arguments(self) -> None:
        weights = {"weight": self.weight, "mixed_weight": self.mixed_weight, "self_weight": self.self_weight}
        if min(weights.values()) < 0 or self.warmup < 0 or not 0 <= self.confidence <= 1 or self.gradient_scale <= 0:
            raise ValueError(
                f"{weights} and warmup={self.warmup} must be 0 or more, gradient_scale={self.gradient_scale} above 0, "
                f"and confidence={self.confidence} from 0 to 1."
            )
