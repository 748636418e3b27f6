# SPDX-License-Identifier: Apache-2.0
"""Metrics beside the study's main score: of all test images together, or the mean over the images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monai_kd.study.results.scores import Scores
from monai_kd.utils.tables import Table

__all__ = ["metrics_table"]


def metrics_table(scores: Mapping[str, Scores]) -> Table | None:
    """
    The mean and standard deviation of every such metric over the runs of each row.

    Returns:
        None if no row has such a metric.
    """
    names = list(dict.fromkeys(name for of_row in scores.values() for name in of_row.whole))
    rows = [
        [row, *(_mean(list(of_row.whole.get(name, {}).values())) for name in names)] for row, of_row in scores.items()
    ]
    note = "Mean ± standard deviation over the runs (splits and seeds) in which the metric is defined."
    return Table("Metrics of all test images", ["model", *names], rows, (note,)) if names else None


def _mean(values: list[float]) -> str:
    defined = [value for value in values if np.isfinite(value)]
    if not defined:
        return "–"
    spread = f" ± {np.std(defined, ddof=1):.3f}" if len(defined) > 1 else ""
    return f"{np.mean(defined):.3f}{spread}"
