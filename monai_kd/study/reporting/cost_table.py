# SPDX-License-Identifier: Apache-2.0
"""The cost of every model, like the paper's Table 5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monai_kd.study.reporting.cost import Cost, network_cost, read_network
from monai_kd.study.results.scores import Scores, pooled
from monai_kd.utils.tables import Table

__all__ = ["cost_table", "measure"]


def measure(output_dir: Path, scores: Mapping[str, Scores]) -> dict[str, Cost]:
    """The cost of each row's network. Rows with the same network share one measurement."""
    known: dict[str, Cost] = {}
    costs = {}
    for row, of_row in scores.items():
        network, shape = read_network(output_dir / next(iter(of_row.values)) / row / "evaluate.json")
        key = f"{network}{shape}"
        if key not in known:
            known[key] = network_cost(network, shape)
        costs[row] = known[key]
    return costs


def cost_table(costs: Mapping[str, Cost], scores: Mapping[str, Scores], teacher: str) -> Table:
    """Score, parameters, operations and time of every row, and its parameters as a fraction of the teacher's."""
    whole = costs[teacher].parameters if teacher in costs else None
    rows = [
        [
            row,
            f"{100 * pooled(scores[row].values).mean():.2f}",
            f"{cost.parameters:,}",
            f"1/{whole / cost.parameters:.0f}" if whole else "–",
            f"{cost.flops / 1e6:,.1f}",
            f"{cost.milliseconds:.1f}",
        ]
        for row, cost in costs.items()
    ]
    measure = next(iter(scores.values())).measure
    columns = ("model", f"{measure} (%)", "parameters", f"of {teacher}'s", "MFLOPs", "ms")
    note = (
        "For one image of the study's size: floating-point operations (one multiply-add is two), and the median time "
        "on one thread of the CPU that made this report. Models with the same network share one measurement."
    )
    return Table(f"{measure} and cost", columns, rows, (note,))
