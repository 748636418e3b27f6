# SPDX-License-Identifier: Apache-2.0
"""Which point of each grid the validation images choose."""

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
    The best validation score of each point of every grid, and the point with the best mean.

    Args:
        output_dir: the study's folder.
        rows: of the study, as its ``study.json`` describes them.
        groups: ``"<split>-<seed>"``.
        scores: of the rows that have finished a run.

    Returns:
        The table; None for a study without a grid.

    Raises:
        ValueError: When a run's state is damaged.
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
        "The best validation score of a training, as the mean over the runs that all finished points of the grid have "
        "in common. The first point of each grid is the row itself. A point is chosen without a look at test images.",
    )
    return Table("Points of the grids", ["model", "validation (%)", "chosen"], cells, notes) if cells else None


def _best(folder: Path) -> float:
    """The best validation score of a training."""
    try:
        state = load_checkpoint(folder / "last.pt", mapped=True)
        return float(state["best"][0])
    except Exception as error:
        raise ValueError(
            f"'{folder / 'last.pt'}' is no state of a training ({type(error).__name__}). Remove '{folder}' and run the "
            "study again."
        ) from error
