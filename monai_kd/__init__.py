# SPDX-License-Identifier: Apache-2.0
"""
monai_kd: knowledge distillation for MONAI.

A trainer (:class:`DistillationTrainer`) runs a frozen teacher beside the student. :class:`Pathways` define which
layers are compared, by which loss and with which weight. :class:`PrepareBatchViews` augments the batch for both
networks by one :class:`View` each. Losses are in :mod:`monai_kd.losses`, handlers in :mod:`monai_kd.handlers`, the
student network in :mod:`monai_kd.networks`, data sets in :mod:`monai_kd.data`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from monai_kd.version import __version__ as __version__

if TYPE_CHECKING:
    from monai_kd import data, engines, features, handlers, losses, metrics, networks, pathways, teachers, transforms
    from monai_kd.distiller import Distiller
    from monai_kd.engines import DistillationTrainer, PrepareBatchViews, add_loss_term, loss_terms
    from monai_kd.features import FeatureHooks, layer_shapes
    from monai_kd.handlers import FeatureHookHandler
    from monai_kd.pathways import Pathway, Pathways
    from monai_kd.teachers import CachedTeacher, LiveTeacher, load_weights
    from monai_kd.transforms import View

__all__ = [
    "CachedTeacher",
    "DistillationTrainer",
    "Distiller",
    "FeatureHookHandler",
    "FeatureHooks",
    "LiveTeacher",
    "Pathway",
    "Pathways",
    "PrepareBatchViews",
    "View",
    "add_loss_term",
    "data",
    "engines",
    "features",
    "handlers",
    "layer_shapes",
    "load_weights",
    "loss_terms",
    "losses",
    "metrics",
    "networks",
    "pathways",
    "teachers",
    "transforms",
]

# Imported on first use: a command's help needs neither torch nor MONAI, and a loss needs no data sets.
_ROOMS = {
    "distiller": ("Distiller",),
    "engines": ("DistillationTrainer", "PrepareBatchViews", "add_loss_term", "loss_terms"),
    "features": ("FeatureHooks", "layer_shapes"),
    "handlers": ("FeatureHookHandler",),
    "pathways": ("Pathway", "Pathways"),
    "teachers": ("CachedTeacher", "LiveTeacher", "load_weights"),
    "transforms": ("View",),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

if not TYPE_CHECKING:  # a type checker would accept every misspelt name as a module

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(f"monai_kd.{_HOMES[name]}"), name)
        if not name.startswith("_") and importlib.util.find_spec(f"monai_kd.{name}"):
            return importlib.import_module(f"monai_kd.{name}")
        raise AttributeError(f"module 'monai_kd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
