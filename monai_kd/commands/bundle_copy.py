# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd bundle copy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console


def copy(
    bundle: Annotated[str, typer.Argument(help="The bundle's name or folder.")],
    dest: Annotated[Path | None, typer.Argument(help="The copy's folder. Default: bundles/<name>.")] = None,
) -> None:
    """
    Copy a bundle that came with the package, with its weights: to edit its configs, or for MONAI's own commands.

    Commands that are given the bundle's name take the copy in ./bundles from then on.

    Example: python -m monai_kd bundle copy breast_ultrasound_segmentation
    """
    from monai_kd.bundle.finding import find_bundle
    from monai_kd.bundle.shipped_bundles import copy_bundle

    root = find_bundle(bundle)
    place = dest or Path("bundles", root.resolve().name)
    copy_bundle(root, place)
    console.print(f"{place}: configs, studies and weights of {root}", markup=False, highlight=False)
