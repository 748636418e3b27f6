# SPDX-License-Identifier: Apache-2.0
"""The point of each grid with the best validation score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from monai_kd.study.results.scores import Scores
from monai_kd.utils.checkpoints import load_checkpoint
from monai_kd.utils.tables import Table

__all__ = ["grid_table"]


def grid_table(
    output_dir: Path, rows: Sequence[Mapping[str, Any]], groups: Sequence[str], scores: Mapping[str, Scores]
) -> Table | None:
    """
    The mean of the best validation scores of each grid point, and the point with the highest mean.

    Returns:
        None for a study without a grid.

    Raises:
        ValueError: When the last checkpoint of a run is damaged.
    """
    families: dict[str, list[str]] = {}
    for row in rows:
        if row.get("grid_of"):
            families.setdefault(row["grid_of"], [row["grid_of"]]).append(row["name"])
    cells = []
    for names in families.values():
        finished = [name for name in names if name in scores]
        shared = [group for group in groups if all(group in scores[name].values for name in finished)]
        best = {name: fmean(_best(output_dir / group / name) for group in shared) for name in finished if shared}
        chosen = max(best, key=lambda name: best[name], default=None)
        cells += [
            [name, f"{100 * best[name]:.2f}" if name in best else "–", "yes" if name == chosen else ""]
            for name in names
        ]
    notes = (
        "Validation: the best score of each training, averaged over the runs that every finished point of the grid "
        "has. The first point of each grid is the row itself. Test images have no influence on the choice.",
    )
    return Table("Points of the grids", ["model", "validation (%)", "chosen"], cells, notes) if cells else None


def _best(folder: Path) -> float:
    """The best validation score of a training."""
    try:
        state = load_checkpoint(folder / "last.pt", mapped=True)
        return float(state["best"][0])
    except Exception as error:
        raise ValueError(
            f"'{folder / 'last.pt'}' cannot be read as the state of a training ({type(error).__name__}). Remove "
            f"'{folder}' and run the study again."
        ) from error
