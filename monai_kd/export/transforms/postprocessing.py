# SPDX-License-Identifier: Apache-2.0
"""MONAI's transforms after a network, as steps of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monai.transforms import Activationsd, AsDiscreted, Invertd, MapTransform
from torch import nn

from monai_kd.export.transforms.preprocessing import Before
from monai_kd.export.transforms.steps import Activation, ResizeBack
from monai_kd.export.transforms.translate import TYPES, is_writer, refused, transforms_of_key

__all__ = ["After", "after_network"]


@dataclass(frozen=True)
class After:
    """
    The post-processing of a bundle.

    Args:
        steps: in order, up to the mask.
        argmax: whether the mask is the class of the highest probability.
        threshold: the mask holds values of at least this; None for no threshold.
    """

    steps: tuple[nn.Module, ...]
    argmax: bool
    threshold: float | None

    @property
    def has_mask(self) -> bool:
        """Whether the bundle makes a mask; a classifier has none."""
        return self.argmax or self.threshold is not None


def after_network(transforms: Sequence[Any], before: Before, key: str = "pred") -> After:
    """
    Translate a bundle's ``postprocessing``, without the transforms that write files.

    Args:
        before: the steps that ``Invertd`` inverts.
        key: key of the prediction.

    Raises:
        ValueError: When a transform cannot be part of a graph.
    """
    steps: list[nn.Module] = []
    argmax, threshold, decided = False, None, False
    for one in transforms_of_key(transforms, key):
        if is_writer(one) or isinstance(one, TYPES):
            continue
        if decided:
            raise refused(type(one).__name__, "it changes the mask after AsDiscreted has made it")
        place = one.keys.index(key) if isinstance(one, MapTransform) else 0
        if isinstance(one, Activationsd):
            steps.append(_activation(one, place))
        elif isinstance(one, Invertd):
            if before.resize is not None:
                steps.append(ResizeBack(before.resize, nearest=bool(one.nearest_interp[place])))
        elif isinstance(one, AsDiscreted):
            _require_known(one, place)
            decided, argmax, threshold = True, bool(one.argmax[place]), one.threshold[place]
        else:
            raise refused(type(one).__name__, "this transform is not supported")
    return After(tuple(steps), argmax, threshold)


def _require_known(one: Any, place: int) -> None:
    """Refuse arguments of AsDiscreted other than argmax, to_onehot after it, and threshold."""
    argmax = one.argmax[place]
    left_out = {
        "rounding": one.rounding[place] is not None,
        "dim": one.converter.kwargs.get("dim", 0) != 0,
        "to_onehot without argmax": one.to_onehot[place] is not None and not argmax,
        "threshold after argmax": one.threshold[place] is not None and argmax,
    }
    if any(left_out.values()):
        names = ", ".join(name for name, given in left_out.items() if given)
        raise refused("AsDiscreted", f"not translated: {names}")


def _activation(one: Any, place: int) -> Activation:
    if one.other[place] is not None or one.sigmoid[place] == one.softmax[place] or one.converter.kwargs:
        raise refused("Activationsd", "only softmax=True or sigmoid=True can be")
    return Activation("softmax" if one.softmax[place] else "sigmoid")
