# SPDX-License-Identifier: Apache-2.0
"""Student, frozen teacher and pathways as one module, for any training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.losses import DeepSupervisionLoss
from torch import nn

from monai_kd.features import FeatureHooks, unwrap
from monai_kd.outputs import inner_layers, resolve
from monai_kd.pathways import Pathways
from monai_kd.teachers import LiveTeacher, as_teacher
from monai_kd.utils.loss_terms import require_weight, warn_of_no_gradient, warn_of_probabilities
from monai_kd.utils.plain_tensor import plain

__all__ = ["Distiller", "supervised_loss"]


class Distiller(nn.Module):
    r"""
    Student, frozen teacher and pathways as one module.

    A plain loop, Lightning, accelerate, ``DistributedDataParallel`` and ``torch.compile`` use it as any network.
    Its parameters and its state dict are the student's and the pathways' (adapters, losses with weights). The teacher
    is no part of them; it follows the module to another device.

    .. math:: \mathcal{L} = w_\mathrm{supervised} \cdot \mathcal{L}_\mathrm{supervised}(z^s, y) +
              \sum_\mathrm{pathways} w \cdot \mathcal{L}_\mathrm{pathway}

    Args:
        student: the network to train.
        teacher: a trained network with the student's input, frozen here; or a :class:`monai_kd.CachedTeacher`, which
            runs once on every image.
        pathways: the layers that are compared, by which losses and weights.
        loss_function: the supervised loss of (prediction, label), for :meth:`loss`.
        supervised_weight: factor of the supervised loss. The paper's total is 0.5 here and weight 0.5 in the pathway.

    Raises:
        ValueError: When a layer does not exist, the teacher shares weights with the student, ``supervised_weight`` is
            negative, or a pathway compares a softmax of outputs that the supervised loss gives to a sigmoid; at the
            call, when the features do not match.

    Example:
        >>> from monai.losses import DiceCELoss
        >>> from monai_kd.losses import LogitsKLLoss
        >>> from monai_kd.pathways import Pathway
        >>> student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 3, padding=1)
        >>> pathways = Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5))
        >>> distiller = Distiller(student, teacher, pathways, DiceCELoss(softmax=True, to_onehot_y=True), 0.5)
        >>> image, label = torch.rand(4, 1, 16, 16), torch.ones(4, 1, 16, 16)
        >>> prediction, terms = distiller(image)
        >>> sorted(terms), sorted(distiller.state_dict())
        (['logits'], ['student.bias', 'student.weight'])
        >>> distiller.loss(image, label).backward()
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module | LiveTeacher,
        pathways: Pathways | nn.parallel.DistributedDataParallel,
        loss_function: Callable[..., Any] | None = None,
        supervised_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require_weight("supervised_weight", supervised_weight)
        routes = unwrap(pathways)
        if not isinstance(routes, Pathways):
            raise ValueError(f"pathways is a {type(routes).__name__}. Wrap it: Pathways(logits=Pathway(loss)).")
        trained = [*student.parameters(), *(p for p in pathways.parameters() if p.requires_grad)]
        self.student = student
        self.pathways = pathways
        self.loss_function = loss_function
        self.supervised_weight = supervised_weight
        # A name that both networks lack is the student's mistake: teacher_layer follows student_layer.
        FeatureHooks(student, inner_layers(routes.student_layers))
        _check_activation(loss_function, routes)
        # No module, so that no optimizer, state dict or train() reaches it.
        self.teacher = as_teacher(teacher, routes.teacher_layers, trained)
        self._student_layers = routes.student_layers
        self._hooks: FeatureHooks | None = None
        self._looked_at: set[str] = set()

    def forward(self, image: torch.Tensor, batch: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Run student and teacher, and compare them.

        Args:
            image: shape BNH[WD].
            batch: tensors that losses ask for ("label", say), "teacher_image" where the teacher has a view of its own,
                and the geometry of both views (:class:`monai_kd.engines.PrepareBatchViews` puts them there).

        Returns:
            What the student returned, and the weighted term of each pathway, a scalar, by name.

        Raises:
            ValueError: When ``image`` is the whole batch.
        """
        if isinstance(image, Mapping):
            raise ValueError(
                f"The image is a dictionary of {', '.join(map(repr, image))}. Give its tensor first, as in "
                "distiller(batch['image'], batch)."
            )
        self.open()
        hooks: Any = self._hooks
        hooks.clear()
        hooks.listening = True
        try:
            prediction = self.student(image)
        finally:
            hooks.listening = False
        features, batch = hooks.pop(), batch or {}
        teacher = self.teacher(batch.get("teacher_image", image))
        student = self.student_features(prediction, features, image)
        if self.training and torch.is_grad_enabled() and self._first("gradients"):
            warn_of_no_gradient(unwrap(self.pathways), student)
        return prediction, self.compare(student, teacher, image, batch)

    def loss(self, image: torch.Tensor, label: Any, batch: Mapping[str, Any] | None = None) -> torch.Tensor:
        """
        The whole loss of a batch.

        Args:
            image: shape BNH[WD].
            label: as ``loss_function`` takes it; losses of pathways find it as "label".
            batch: as for :meth:`forward`.

        Returns:
            A scalar.

        Raises:
            ValueError: When there is no ``loss_function``.
        """
        if self.loss_function is None:
            raise ValueError("Distiller.loss() needs the supervised loss. Give Distiller(..., loss_function=...).")
        prediction, terms = self(image, {"label": label, **(batch or {})})
        supervised = supervised_loss(self.loss_function, prediction, label)
        return self.supervised_weight * supervised + sum(terms.values())

    def student_features(self, prediction: Any, features: Mapping[str, Any], image: Any) -> dict[str, torch.Tensor]:
        """
        The student's side of the pathways, by layer name.

        Args:
            prediction: what the student, or an inferer around it, returned.
            features: of its inner layers.
            image: shape BNH[WD].
        """
        name = f"The student {type(unwrap(self.student)).__name__}"
        return {**features, **resolve(prediction, self._student_layers, image, name, "student")}

    def compare(
        self,
        student: Mapping[str, torch.Tensor],
        teacher: Mapping[str, torch.Tensor],
        image: Any,
        batch: Mapping[str, Any],
    ) -> dict[str, torch.Tensor]:
        """
        The weighted term of each pathway.

        Args:
            student: from :meth:`student_features`, each of shape BNH[WD].
            teacher: features by layer name, each of shape BNH[WD].
            image: shape BNH[WD].
            batch: as for :meth:`forward`.
        """
        if self._first("outputs"):
            warn_of_probabilities(unwrap(self.pathways), student, teacher)
        terms: dict[str, torch.Tensor] = self.pathways(student, teacher, {"image": image, **batch})
        return terms

    def _first(self, check: str) -> bool:
        """Whether a check is still to be made; a compiled forward makes none."""
        if torch.compiler.is_compiling() or check in self._looked_at:
            return False
        self._looked_at.add(check)
        return True

    def open(self) -> None:
        """Place the hooks; the first call does so."""
        if self._hooks is None:
            self._hooks = FeatureHooks(self.student, inner_layers(self._student_layers))
            self._hooks.__enter__()
            self.teacher.__enter__()

    def close(self) -> None:
        """Remove the hooks, so that ``student`` is as it was; the next call places them again."""
        if self._hooks is not None:
            self._hooks.close()
            self.teacher.__exit__(None, None, None)
            self._hooks = None

    def __getstate__(self) -> dict[str, Any]:
        self.close()  # A copy would carry hooks that fill the original, and no hook can be pickled.
        return self.__dict__

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Distiller:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.teacher.network._apply(fn)  # type: ignore[no-untyped-call]
        return self


def _check_activation(loss_function: Any, pathways: Pathways) -> None:
    parts = loss_function.modules() if isinstance(loss_function, nn.Module) else [loss_function]
    has_sigmoid = any(getattr(part, "sigmoid", None) is True for part in parts)
    if not has_sigmoid and not isinstance(loss_function, nn.BCEWithLogitsLoss):
        return
    for name, pathway in pathways.items():
        of_outputs = not inner_layers(pathway.student_layers)
        if of_outputs and getattr(pathway.loss, "sigmoid", None) is False:
            raise ValueError(
                f"The supervised {type(loss_function).__name__} takes each channel through a sigmoid, but the "
                f"{type(pathway.loss).__name__} of the pathway '{name}' takes them through one softmax. Use "
                "LogitsKLLoss(sigmoid=True), LogitsBCELoss or LogitsMSELoss."
            )


def supervised_loss(loss_function: Callable[..., Any], prediction: Any, label: Any) -> torch.Tensor:
    """
    The supervised loss as a scalar; ``DeepSupervisionLoss`` gets outputs that are stacked in one tensor as a list.

    Args:
        loss_function: of (prediction, label).
        prediction: a tensor of shape BNH[WD], or what of several outputs the loss takes.
        label: as the loss takes it.
    """
    takes_a_list = isinstance(loss_function, DeepSupervisionLoss)
    if takes_a_list and isinstance(prediction, torch.Tensor) and prediction.ndim == label.ndim + 1:
        prediction = list(prediction.unbind(1))
    return plain(loss_function(prediction, label)).mean()
