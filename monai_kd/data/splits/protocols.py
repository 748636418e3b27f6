# SPDX-License-Identifier: Apache-2.0
"""The split protocols, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from os import PathLike
from typing import Any

from monai_kd.data.layouts import layout_names
from monai_kd.data.layouts.bus_bra import BusBra
from monai_kd.data.records.record import Layout, Record
from monai_kd.data.records.several_folders import Folders
from monai_kd.data.splits.groups import Split
from monai_kd.data.splits.make_splits import hold_out, k_folds, official_folds, random_splits

PROTOCOLS: dict[str, Callable[..., list[Split]]] = {
    "random": random_splits,
    "kfold": k_folds,
    "holdout": hold_out,
    "official": official_folds,
}

OF_ALL = {"records", "root", "seed", "content"}  # arguments of every protocol, not options


def make_splits(
    protocol: str,
    records: Sequence[Record],
    root: Folders,
    layout: str | Layout | None = None,
    seed: int = 0,
    content: Mapping[str, str] | None = None,
    **options: float,
) -> list[Split]:
    """
    Splits by one of ``PROTOCOLS``.

    Args:
        root: the data set's folder or list of folders, as it was given to ``read_dataset``.
        layout: as it was given to ``read_dataset``.
        seed: another seed gives other splits.
        content: each id's hash, from ``check_dataset``.
        options: of the protocol's function, such as ``k``.

    Raises:
        ValueError: When there is no such protocol, an option does not belong to it, the data set has no official folds,
            or it has too few patients.

    Example:
        >>> records = [{"id": str(i), "patient": str(i), "pathology": "benign"} for i in range(9)]
        >>> [len(split["test"]) for split in make_splits("kfold", records, "BUS", k=3)]
        [3, 3, 3]
    """
    require_protocol(protocol, options, root, layout)
    given: dict[str, Any] = {"root": root, **options} if protocol == "official" else dict(options)
    return PROTOCOLS[protocol](records, seed=seed, content=content, **given)


def require_protocol(protocol: str, options: Iterable[str], root: Folders, layout: str | Layout | None = None) -> None:
    """
    Check a protocol and its options for this data set, before images are loaded; a ValueError names the valid ones.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"No protocol {protocol!r}. Choose one of {', '.join(PROTOCOLS)}.")
    own = [name for name in signature(PROTOCOLS[protocol]).parameters if name not in OF_ALL]
    foreign = [name for name in options if name not in own]
    if foreign:
        raise ValueError(
            f"The protocol {protocol!r} takes {', '.join(own)}, but not {' and '.join(foreign)}. Omit it, or choose "
            "another protocol."
        )
    if protocol == "official" and not isinstance(root, str | PathLike):
        raise ValueError("Official folds belong to one data set, got a list. Give one folder, or another protocol.")
    name = layout_names(root, layout) if protocol == "official" else ""
    if name and name != BusBra.name:
        raise ValueError(
            f"{root} has the layout {name!r}, but only {BusBra.name!r} has official folds. Use another protocol: "
            f"{', '.join(other for other in PROTOCOLS if other != 'official')}."
        )
