# SPDX-License-Identifier: Apache-2.0
"""
monai_kd: knowledge distillation for MONAI.

A trainer (:class:`DistillationTrainer`) runs a frozen teacher beside the student; :class:`Pathways` say which layers
are compared by which loss with which weight. Losses are in :mod:`monai_kd.losses`, handlers in
:mod:`monai_kd.handlers`, the student network in :mod:`monai_kd.networks`, data sets in :mod:`monai_kd.data`.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from monai_kd import engines, handlers, losses, networks
from monai_kd.engines import DistillationTrainer, add_loss_term, loss_terms
from monai_kd.features import FeatureHooks, layer_shapes
from monai_kd.handlers import FeatureHookHandler
from monai_kd.losses import HiddenKLLoss, LogitsBCELoss, LogitsKLLoss, LogitsMSELoss
from monai_kd.pathways import Pathway, Pathways
from monai_kd.teachers import CachedTeacher, LiveTeacher, load_weights

if TYPE_CHECKING:
    from monai_kd import data
else:

    def __getattr__(name: str) -> ModuleType:
        """``monai_kd.data`` when it is asked for: its import takes as long as all the rest; a loss does without it."""
        if name == "data":
            return importlib.import_module("monai_kd.data")
        raise AttributeError(f"module 'monai_kd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "data"})


__version__ = "0.1.0"

__all__ = [
    "CachedTeacher",
    "DistillationTrainer",
    "FeatureHookHandler",
    "FeatureHooks",
    "HiddenKLLoss",
    "LiveTeacher",
    "LogitsBCELoss",
    "LogitsKLLoss",
    "LogitsMSELoss",
    "Pathway",
    "Pathways",
    "add_loss_term",
    "data",
    "engines",
    "handlers",
    "layer_shapes",
    "load_weights",
    "loss_terms",
    "losses",
    "networks",
]
