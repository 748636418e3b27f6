# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd bundle copy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console


def copy(
    bundle: Annotated[str, typer.Argument(help="The bundle's folder or name.")],
    output_dir: Annotated[Path | None, typer.Option(help="The copy's folder. Default: bundles/NAME.")] = None,
) -> None:
    """
    Copy a bundle of the package, with its weights.

    Copy a bundle to edit its configs, or to use it with MONAI's own commands. From then on, commands that are given the
    bundle's name take the copy in `./bundles`.

    Example: `python -m monai_kd bundle copy breast_ultrasound_segmentation`
    """
    from monai_kd.bundle.finding import find_bundle
    from monai_kd.bundle.shipped_bundles import copy_bundle

    root = find_bundle(bundle)
    place = output_dir or Path("bundles", root.resolve().name)
    copy_bundle(root, place)
    console.print(f"{place}: configs, studies and weights of {root}", markup=False, highlight=False)
