# SPDX-License-Identifier: Apache-2.0
"""Options of trainings, scorings and batches, checked before their processes start: those could only write to a log."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from monailabel.interfaces.datastore import DefaultLabelTag

from monai_kd.label.bundle import AppBundle
from monai_kd.label.requests.devices import chosen_device
from monai_kd.label.requests.names import require_tag
from monai_kd.label.requests.options import Options
from monai_kd.utils.messages import closest

__all__ = ["batch_options", "prediction_tag", "scoring_options", "training_options"]

# MONAI Label's client names itself in every request.
CLIENT = "client_id"
BATCH = ("device", "probability", "largest_component", "result_extension", "images", "label_tag", "max_workers",
         "max_batch_size", "multi_gpu", "save_label", "gpus", "logging")  # fmt: skip
IMAGES = ("all", "labeled", "unlabeled")


def training_options(asked: Mapping[str, Any], bundle: AppBundle) -> dict[str, Any]:
    """A client's options of a training; ValueError if one is unknown, of the wrong kind, or out of range."""
    known = _known(asked, (*Options.choices(bundle), "device"))
    Options.of(known, bundle)
    chosen_device(known)
    return known


def scoring_options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A client's options of a scoring, checked as in :func:`training_options`."""
    known = _known(asked, ("device",))
    chosen_device(known)
    return known


def batch_options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """
    A client's options of a batch inference, checked as in :func:`training_options`.

    Example:
        >>> batch_options({"images": "unlabeled", "max_workers": 1})
        {'images': 'unlabeled', 'max_workers': 1, 'label_tag': 'original'}
        >>> batch_options({"max_worker": 1})
        Traceback (most recent call last):
        ValueError: No option 'max_worker'. Closest: 'max_workers'. Use that name, or leave the option out.
    """
    known = _known(asked, BATCH)
    for name, most in (("max_workers", os.cpu_count() or 1), ("max_batch_size", 2**31)):
        value = known.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise ValueError(f"{name} must be a whole number from 0 to {most}, got {repr(value)[:80]}.")
    for name in ("probability", "largest_component", "multi_gpu", "save_label"):
        if not isinstance(known.get(name, False), bool):
            raise ValueError(f"{name} must be true or false, got {repr(known[name])[:80]}.")
    images = known.get("images", "all")
    if not (images in IMAGES or (isinstance(images, list) and all(isinstance(image, str) for image in images))):
        raise ValueError(f"images must be one of {', '.join(IMAGES)}, or a list of ids, got {repr(images)[:80]}.")
    if known.pop("gpus", "all") not in ("all", "", None):
        raise ValueError("gpus must be 'all'. Choose one GPU with device.")
    if known.pop("logging", "WARNING") not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("logging must be DEBUG, INFO, WARNING or ERROR.")
    known["label_tag"] = prediction_tag(known)
    if known.get("device") == "cuda":
        known.pop("device")  # MONAI Label's default, even without a GPU
    chosen_device(known)
    return known


def prediction_tag(asked: Mapping[str, Any]) -> str:
    """
    The ``label_tag`` of a prediction that is saved, by default ``original``.

    Raises:
        ValueError: When it is ``final``, the tag of the annotator's labels, which a prediction must not replace.
        HTTPException: 400, when it is no plain word.
    """
    tag = require_tag(asked.get("label_tag") or DefaultLabelTag.ORIGINAL.value)
    if tag == DefaultLabelTag.FINAL.value:
        raise ValueError(f"label_tag {tag!r} is for the annotator's labels, which no prediction replaces. Use another.")
    return tag


def _known(asked: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    for name in asked:
        if name not in names and name != CLIENT:
            raise ValueError(
                f"No option {name[:80]!r}. Closest: {closest(name[:80], names)!r}. Use that name, or leave the option "
                "out."
            )
    return {name: value for name, value in asked.items() if name != CLIENT}
