# SPDX-License-Identifier: Apache-2.0
"""What every model costs, like the paper's Table 5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monai_kd.study.reporting.cost import Cost, network_cost, read_network
from monai_kd.study.results.scores import Scores, pooled
from monai_kd.utils.tables import Table

__all__ = ["cost_table", "measure"]


def measure(output_dir: Path, scores: Mapping[str, Scores]) -> dict[str, Cost]:
    """
    The cost of each row's network; rows of one network share one measurement.

    Args:
        output_dir: the study's folder.
        scores: by row.
    """
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
    """
    Score, parameters, operations and time of every row.

    Args:
        costs: by row.
        scores: by row.
        teacher: the row that sizes are compared with.
    """
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
        "One image through the network at the study's size: floating-point operations (a multiplication with its "
        "addition is two), and the median time on one thread of the CPU that made this report. Models of one network "
        "share one measurement."
    )
    return Table(f"{measure} and cost", columns, rows, (note,))
