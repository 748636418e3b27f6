# SPDX-License-Identifier: Apache-2.0
"""
Set the evaluations of several runs side by side.

    python tests/benchmarks/compare_runs.py RUNS

RUNS holds ``<data>-<split>/<model>/evaluation/scores.csv`` with the models teacher, student and distilled. For each
data set: every split's mean Dice, their mean ± standard deviation over the splits, and the paired difference between
the student distilled and alone over all test images with its standard error and Wilcoxon's p.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from scipy.stats import wilcoxon

MODELS = ("teacher", "student", "distilled")


def column(path: Path, name: str) -> dict[str, float]:
    with path.open(newline="") as file:
        return {row["id"]: float(row[name]) for row in csv.DictReader(file) if row[name]}


def main() -> None:
    runs: dict[str, list[Path]] = defaultdict(list)
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        if all((folder / model / "evaluation" / "scores.csv").is_file() for model in MODELS):
            runs[folder.name.rpartition("-")[0]].append(folder)
    print("| data | model | Dice (%) of each split | mean ± s.d. | HD95 (pixels) |")
    print("| --- | --- | --- | --- | --- |")
    verdicts = []
    for data, folders in runs.items():
        means = {}
        for model in MODELS:
            files = [folder / model / "evaluation" / "scores.csv" for folder in folders]
            dice = [100 * fmean(column(file, "dice").values()) for file in files]
            hd95 = [fmean(column(file, "hd95").values()) for file in files]
            means[model] = fmean(dice)
            spread = f" ± {stdev(dice):.1f}" if len(dice) > 1 else ""
            each = ", ".join(f"{value:.1f}" for value in dice)
            print(f"| {data} | {model} | {each} | {fmean(dice):.1f}{spread} | {fmean(hd95):.0f} |")
        change = []
        for folder in folders:
            alone, distilled = (
                column(folder / model / "evaluation" / "scores.csv", "dice") for model in ("student", "distilled")
            )
            change += [100 * (distilled[key] - alone[key]) for key in alone]
        error = np.std(change, ddof=1) / np.sqrt(len(change))
        gap = means["teacher"] - means["student"]
        share = f"; {100 * (means['distilled'] - means['student']) / gap:.0f} % of the gap to the teacher"
        verdicts.append(
            f"{data}: distilled minus alone {np.mean(change):+.1f} ± {error:.1f} Dice points over {len(change)} test "
            f"images (standard error), Wilcoxon p = {wilcoxon(change).pvalue:.3f}{share if gap > 0 else ''}."
        )
    print("\n" + "\n".join(verdicts))


if __name__ == "__main__":
    main()
