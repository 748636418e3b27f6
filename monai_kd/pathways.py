# SPDX-License-Identifier: Apache-2.0
"""Pathways: which layers of teacher and student a loss compares, with which adapters and weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import nn

from monai_kd.losses.parts.evaluate import evaluate
from monai_kd.losses.parts.shape_checks import check_features
from monai_kd.networks.adapters.adapt import adapt
from monai_kd.networks.adapters.map_checks import check_map
from monai_kd.outputs import parse_layer, resolve
from monai_kd.transforms.alignment import align, align_and_leave_out, alignment, leave_out
from monai_kd.utils.loss_terms import require_weight
from monai_kd.utils.plain_tensor import plain

__all__ = ["Pathway", "Pathways"]


def _names(layer: str | Sequence[str]) -> tuple[str, ...]:
    return (layer,) if isinstance(layer, str) else tuple(layer)


def _require_function(loss: object) -> None:
    if isinstance(loss, type) or not callable(loss):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else repr(loss)
        raise ValueError(f"loss must be a loss function, got {got}. Write for instance Pathway(LogitsKLLoss()).")


def _adapters(adapter: nn.Module | Sequence[nn.Module] | None, count: int, argument: str) -> nn.ModuleList:
    if adapter is None:
        return nn.ModuleList(nn.Identity() for _ in range(count))
    adapters = list(adapter) if isinstance(adapter, (Sequence, nn.ModuleList)) else [adapter]
    if len(adapters) != count:
        raise ValueError(f"{argument} holds {len(adapters)} modules for {count} layers. Give one for each layer.")
    return nn.ModuleList(adapters)


def _on_student_grid(feature: torch.Tensor, adapter: nn.Module, theta: torch.Tensor | None) -> torch.Tensor:
    # Tokens become a map before it is known where they lie.
    if getattr(adapter, "rearranges", False):
        return align(adapt(adapter, feature), theta)
    return adapt(adapter, align(feature, theta))


def _size(adapter: nn.Module, teacher: torch.Tensor) -> dict[str, list[int]]:
    return {"size": list(teacher.shape[2:])} if getattr(adapter, "resizes", False) else {}


def _feature(features: Mapping[str, Any], layer: str, side: str, image: Any) -> torch.Tensor:
    name = parse_layer(layer)
    if not name.module and not name.is_input and "" in features and (not layer or layer not in features):
        return resolve(features[""], [layer], image, f"The {side}", side)[layer]
    if layer not in features:
        remedy = f"Capture it: FeatureHooks({side}, pathways.{side}_layers)."
        if side == "teacher":
            remedy += " Without teacher_layer, a Pathway looks for student_layer in the teacher: set teacher_layer=''."
        raise ValueError(f"The {side}'s features hold {list(features)}, but not the layer '{layer}'. {remedy}")
    return plain(features[layer])


class Pathway(nn.Module):
    r"""
    One loss between layers of the student and the teacher.

    .. math:: w \cdot \big\langle \mathcal{L}(a_s(F^s_l),\ a_t(F^t_l)) \big\rangle_l

    Args:
        loss: ``loss(student, teacher) -> scalar``, with optional attributes. ``uses = ("label", ...)``: the loss gets
            these entries of the batch as keyword arguments. ``any_shape = True``: the loss can compare features of
            different shapes. ``joint = True``: the loss is called once with the lists of all layers' features, not once
            for each pair.
        student_layer: module name of the student's layer; ``""``, the default, is the network's output. A list is
            paired with the list of ``teacher_layer``, and the losses of the pairs are averaged.
        teacher_layer: module name of the teacher's layer. Defaults to the same name as ``student_layer``.
        student_adapter: a module that brings the student's feature to the teacher's shape; its weights are trained. A
            list gives one for each layer. With an attribute ``resizes = True``, it is called with ``size``, the
            teacher's spatial size.
        teacher_adapter: a module applied to the teacher's feature. It is frozen and in evaluation mode, because two
            adapters trained together could both map everything to zero.
        weight: factor of this term in the total loss, 0 or more.

    Raises:
        ValueError: When layers or adapters differ in number, the loss is no function, or the weight no number from 0;
            at the call, when the features do not match.

    Example:
        >>> import torch
        >>> pathway = Pathway(torch.nn.MSELoss(), "encoder", "down.4", weight=0.5)
        >>> pathway({"encoder": torch.zeros(1, 2, 4, 4)}, {"down.4": torch.ones(1, 2, 4, 4)}, {}).item()
        0.5
    """

    def __init__(
        self,
        loss: nn.Module,
        student_layer: str | Sequence[str] = "",
        teacher_layer: str | Sequence[str] | None = None,
        student_adapter: nn.Module | Sequence[nn.Module] | None = None,
        teacher_adapter: nn.Module | Sequence[nn.Module] | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        _require_function(loss)
        given: object = weight
        if not isinstance(given, Real | torch.Tensor):
            raise ValueError(f"weight must be a number, got {weight!r}. Write for instance weight=0.5.")
        require_weight("weight", weight)
        self.student_layers = _names(student_layer)
        self.teacher_layers = _names(student_layer if teacher_layer is None else teacher_layer)
        if len(self.student_layers) != len(self.teacher_layers) or not self.student_layers:
            raise ValueError(
                f"student_layer names {len(self.student_layers)} layers and teacher_layer {len(self.teacher_layers)}. "
                "Give lists of the same length, at least one; they are paired in order."
            )
        self.loss = loss
        self.student_adapters = _adapters(student_adapter, len(self.student_layers), "student_adapter")
        self.teacher_adapters = _adapters(teacher_adapter, len(self.teacher_layers), "teacher_adapter")
        self.teacher_adapters.requires_grad_(False).eval()
        self.weight = weight

    def extra_repr(self) -> str:
        return f"student_layer={self.student_layers}, teacher_layer={self.teacher_layers}, weight={self.weight}"

    def train(self, mode: bool = True) -> Pathway:
        """Set the mode; the teacher's adapters stay in evaluation mode."""
        super().train(mode)
        self.teacher_adapters.eval()
        return self

    def forward(
        self,
        student: Mapping[str, torch.Tensor],
        teacher: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """
        Args:
            student: features by layer name, shape BNH[WD].
            teacher: features by layer name, shape BMH[WD].
            batch: the entries that ``loss.uses`` names, of any shape that the loss takes, and the geometries of student
                and teacher where their views differ.

        Returns:
            The weighted loss, a scalar.
        """
        uses = getattr(self.loss, "uses", ())
        missing = [key for key in uses if key not in batch]
        if missing:
            raise ValueError(
                f"{type(self.loss).__name__} uses {missing}, but the batch holds {sorted(batch)}. "
                "Add the missing entries to the data dictionaries."
            )
        if any(module.training for module in self.teacher_adapters.modules()):
            self.teacher_adapters.eval()  # train() was called on a part of this module
        students, teachers, theta = [], [], alignment(batch)
        loss: Any = self.loss
        any_shape = getattr(loss, "any_shape", False)
        if theta is not None and hasattr(loss, "moved") and {*map(type, self.teacher_adapters)} == {nn.Identity}:
            # The loss moves the teacher's feature itself, in fewer channels.
            loss, theta = partial(loss.moved, move=partial(align_and_leave_out, theta=theta)), None
        for i, (student_layer, teacher_layer) in enumerate(zip(self.student_layers, self.teacher_layers, strict=True)):
            student_feature = _feature(student, student_layer, "student", batch.get("image"))
            teacher_feature = _feature(teacher, teacher_layer, "teacher", batch.get("image"))
            adapter = self.student_adapters[i]
            check_map(student_feature, batch.get("image"), adapter, "student", student_layer)
            seen = batch.get("teacher_image", batch.get("image"))
            check_map(teacher_feature, seen, self.teacher_adapters[i], "teacher", teacher_layer)
            teacher_feature = _on_student_grid(teacher_feature, self.teacher_adapters[i], theta)
            student_feature = adapt(adapter, student_feature, **_size(adapter, teacher_feature))
            if not any_shape:
                check_features(student_feature, teacher_feature, are_outputs=self.student_layers == ("",))
            student_feature, teacher_feature = leave_out(student_feature, teacher_feature, theta, any_shape)
            students.append(student_feature)
            teachers.append(teacher_feature)
        extra = {key: plain(batch[key]).to(students[0].device) for key in uses}
        return self.weight * evaluate(loss, students, teachers, **extra)


class Pathways(nn.Module):
    """
    All pathways of a training, by the names that the log uses.

    Args:
        pathways: one :class:`Pathway` for each keyword.

    Raises:
        ValueError: When there is none, or a name is an attribute of this module or a key of the engine's output; at the
            call, a pathway's error with its name.

    Example:
        >>> import torch
        >>> pathways = Pathways(logits=Pathway(torch.nn.MSELoss(), weight=0.5))
        >>> pathways({"": torch.zeros(1, 2, 4, 4)}, {"": torch.ones(1, 2, 4, 4)}, {})
        {'logits': tensor(0.5000)}
    """

    def __init__(self, **pathways: Pathway) -> None:
        super().__init__()
        if not pathways:
            raise ValueError("Pathways() is empty. Give at least one, as in Pathways(logits=Pathway(LogitsKLLoss())).")
        for name, pathway in pathways.items():
            if not isinstance(pathway, Pathway):
                raise ValueError(f"'{name}' is a {type(pathway).__name__}, not a Pathway. Wrap it: Pathway(loss, ...).")
            if hasattr(self, name) or name in ("image", "label", "pred", "loss", "supervised_loss"):
                raise ValueError(f"'{name}' cannot name a pathway, because it is taken. Choose another name.")
            self.add_module(name, pathway)

    def items(self) -> list[tuple[str, Pathway]]:
        """The pathways with their names."""
        return [(name, module) for name, module in self.named_children() if isinstance(module, Pathway)]

    @property
    def student_layers(self) -> tuple[str, ...]:
        """The layers to capture in the student, without repetition."""
        return tuple(dict.fromkeys(layer for _, pathway in self.items() for layer in pathway.student_layers))

    @property
    def teacher_layers(self) -> tuple[str, ...]:
        """The layers to capture in the teacher, without repetition."""
        return tuple(dict.fromkeys(layer for _, pathway in self.items() for layer in pathway.teacher_layers))

    def forward(
        self,
        student: Mapping[str, torch.Tensor],
        teacher: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            student: features by layer name, shape BNH[WD].
            teacher: features by layer name, shape BMH[WD].
            batch: entries of the batch, as in :meth:`Pathway.forward`, of any shape that a loss takes.

        Returns:
            The weighted losses by pathway name, scalars; their sum is the distillation loss.
        """
        terms = {}
        for name, pathway in self.items():
            try:
                terms[name] = pathway(student, teacher, batch)
            except ValueError as error:
                raise ValueError(f"'{name}': {error}") from error
        return terms
