# SPDX-License-Identifier: Apache-2.0
"""The line at the start of a training: how many images there are, and how large the networks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["training_line"]


def training_line(trainer: Engine, evaluator: Engine | None) -> str:
    """
    What a training works with, as far as its engines tell; no image is read.

    Args:
        trainer: with a ``dataloader`` in its state, or as an attribute.
        evaluator: of the validation; None if there is none.

    Returns:
        Empty if nothing is known.

    Example:
        >>> from monai.data import DataLoader, Dataset
        >>> from ignite.engine import Engine
        >>> trainer = Engine(lambda engine, batch: None)
        >>> records = [{"label": 1, "has_label": 1}] * 24 + [{"label": None, "has_label": 0}] * 86
        >>> trainer.data_loader = DataLoader(Dataset(records))
        >>> training_line(trainer, None)
        'Training: 24 labelled, 86 unlabelled images'
    """
    counts = [*_training_counts(_records(trainer)), *_counted(len(_records(evaluator)), "validation")]
    teacher = _parameters(getattr(getattr(trainer, "teacher", None), "network", None))
    student = _parameters(getattr(trainer, "network", None))
    sizes = [*_sized(student, "student" if teacher else "network"), *_sized(teacher, "teacher")]
    parts = [f"{', '.join(counts)} images"] if counts else []
    parts += [f"{', '.join(sizes)} parameters"] if sizes else []
    return f"Training: {'; '.join(parts)}" if parts else ""


def _records(engine: Any) -> Sequence[Any]:
    loader = getattr(engine, "data_loader", None)
    records = getattr(getattr(loader, "dataset", None), "data", None)
    return records if isinstance(records, Sequence) else ()


def _training_counts(records: Sequence[Any]) -> list[str]:
    if not all(isinstance(record, Mapping) and "label" in record for record in records):
        return _counted(len(records), "training")
    labelled = sum(bool(record.get("has_label", 1)) for record in records)
    return [*_counted(labelled, "labelled"), *_counted(len(records) - labelled, "unlabelled")]


def _counted(count: int, kind: str) -> list[str]:
    return [f"{count} {kind}"] if count else []


def _parameters(network: Any) -> int:
    return sum(parameter.numel() for parameter in network.parameters()) if hasattr(network, "parameters") else 0


def _sized(count: int, name: str) -> list[str]:
    millions = count / 1e6
    return [f"{name} {millions:.1f} M" if millions >= 1 else f"{name} {millions:.2g} M"] if count else []
