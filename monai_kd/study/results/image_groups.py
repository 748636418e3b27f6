# SPDX-License-Identifier: Apache-2.0
"""Groups of test images with the same data set, pathology, or lesion size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monai_kd.data import LoadUltrasoundd, Record

__all__ = ["SIZE", "ImageGroup", "image_groups", "lesion_share"]


SIZE = "lesion size"


@dataclass(frozen=True)
class ImageGroup:
    """
    Some of the test images.

    Args:
        kind: the property that they share: "all", "data set", "pathology" or "lesion size".
        name: the value of this property.
        images: their ids.
    """

    kind: str
    name: str
    images: frozenset[str]


def lesion_share(record: Record) -> float:
    """
    The lesion's share of an image's area (or of a volume), between 0 and 1.

    Raises:
        FileNotFoundError: When the mask is missing.
        ValueError: When the mask cannot be read.
    """
    return float(LoadUltrasoundd("label")(record)["label"].mean())


def image_groups(
    pathologies: Mapping[str, str], shares: Mapping[str, float], datasets: Mapping[str, str] | None = None
) -> list[ImageGroup]:
    """
    All images, the images of each data set and pathology, and the images of each third of the lesion sizes.

    The terciles of these images' own shares separate the thirds; a share that equals a tercile is in the lower third.

    Args:
        shares: the lesion's share of each image's area.
        datasets: by image; None if all images are from one data set.

    Returns:
        The groups that are not empty.

    Example:
        >>> shares = {"a": 0.01, "b": 0.02, "c": 0.05, "d": 0.2}
        >>> groups = image_groups({"a": "benign", "b": "benign", "c": "malignant", "d": "unknown"}, shares)
        >>> [(group.name, len(group.images)) for group in groups]  # doctest: +NORMALIZE_WHITESPACE
        [('all', 4), ('benign', 2), ('malignant', 1), ('unknown', 1),
         ('small, to 2 %', 2), ('medium, to 5 %', 1), ('large, over 5 %', 1)]
    """
    bounds = np.quantile(list(shares.values()), [1 / 3, 2 / 3])
    low, high = (f"{100 * bound:.3g} %" for bound in bounds)
    thirds = (f"small, to {low}", f"medium, to {high}", f"large, over {high}")
    sizes = {name: thirds[int(np.searchsorted(bounds, share))] for name, share in shares.items()}
    groups = [ImageGroup("all", "all", frozenset(shares))]
    kinds: list[tuple[str, Mapping[str, str], Sequence[str]]] = [
        ("data set", datasets or {}, sorted(set((datasets or {}).values()))),
        ("pathology", pathologies, sorted(set(pathologies.values()))),
        (SIZE, sizes, thirds),
    ]
    for kind, values, order in kinds:
        for value in order:
            groups.append(ImageGroup(kind, value, frozenset(name for name in shares if values[name] == value)))
    return [group for group in groups if group.images]
