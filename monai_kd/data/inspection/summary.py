# SPDX-License-Identifier: Apache-2.0
"""Counts and distributions of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monai_kd.data.inspection.facts import Facts


def summarize(facts: Sequence[Facts]) -> dict[str, Any]:
    """
    Counts and distributions, ready for JSON.

    Returns:
        ``images`` (records), ``files``, ``masks`` (files), ``patients``, ``pathologies`` (number of images),
        ``images_per_patient`` (number of patients with so many images), ``encodings``; and the minimum, median and
        maximum of ``width`` and ``height`` in pixels, ``lesion_fraction`` (of the image, without empty masks),
        ``gray_low``, ``gray_high`` and ``gray_mean``. The latter are missing if no image can be read.
    """
    per_patient = Counter(str(item.record["patient"]) for item in facts)
    images = [item.image for item in facts if item.image]
    masks = [item.mask for item in facts if item.mask]
    ranges = {
        "width": (image.size[0] for image in images),
        "height": (image.size[1] for image in images),
        "lesion_fraction": (mask.fraction for mask in masks if mask.pixels),
        "gray_low": (image.low for image in images),
        "gray_high": (image.high for image in images),
        "gray_mean": (image.mean for image in images),
    }
    return {
        "images": len(facts),
        "files": len({str(item.record["image"]) for item in facts}),
        "masks": len({path for item in facts for path in mask_files(item)}),
        "patients": len(per_patient),
        "pathologies": _counted(str(item.record.get("pathology", "unknown")) for item in facts),
        "images_per_patient": _counted(str(number) for number in per_patient.values()),
        "encodings": _counted(image.encoding for image in images),
        **{name: spread for name, values in ranges.items() if (spread := _spread(list(values)))},
    }


def mask_files(facts: Facts) -> list[str]:
    """A record's mask files, one or several."""
    label = facts.record.get("label", [])
    return [str(label)] if not isinstance(label, (list, tuple)) else [str(path) for path in label]


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"min": float(min(values)), "median": float(np.median(values)), "max": float(max(values))}
