# SPDX-License-Identifier: Apache-2.0
"""
Set the evaluations of several runs side by side.

    python tests/benchmarks/compare_runs.py RUNS

RUNS holds ``<data>-<split>/<model>/evaluation/scores.csv``; the models "teacher" and "student" (on labels alone) are
compared with every other one. For each data set and model: the mean Dice of every split, their mean and standard
deviation, the mean HD95 and for how many images it is undefined. Then the paired difference from the student alone with
its standard error and Wilcoxon's p, over images: one that is tested in several splits counts once, with its mean.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from scipy.stats import wilcoxon


def column(folder: Path, name: str) -> dict[str, float]:
    """A metric by image; NaN where it is undefined."""
    with (folder / "evaluation" / "scores.csv").open(newline="") as file:
        return {row["id"]: float(row[name] or "nan") for row in csv.DictReader(file)}


def summary(model: str, splits: list[Path]) -> tuple[float, str]:
    """The mean Dice over the splits, and the cells of the table."""
    dice = [100 * fmean(column(split / model, "dice").values()) for split in splits]
    hd95 = np.array([value for split in splits for value in column(split / model, "hd95").values()])
    undefined = int(np.isnan(hd95).sum())
    spread = f" ± {stdev(dice):.1f}" if len(dice) > 1 else ""
    cells = [", ".join(f"{value:.1f}" for value in dice), f"{fmean(dice):.1f}{spread}"]
    return fmean(dice), " | ".join([*cells, f"{np.nanmean(hd95):.0f}" + (f" ({undefined})" if undefined else "")])


def verdict(model: str, splits: list[Path]) -> str:
    """The paired difference from the student alone."""
    changes = defaultdict(list)
    for split in splits:
        alone, distilled = column(split / "student", "dice"), column(split / model, "dice")
        for name in alone:
            changes[name].append(100 * (distilled[name] - alone[name]))
    change = np.array([fmean(values) for values in changes.values()])
    error = change.std(ddof=1) / np.sqrt(len(change))
    p = wilcoxon(change).pvalue
    return f"{change.mean():+.1f} ± {error:.1f} Dice points over {len(change)} images, p = {p:.2f}"


def main() -> None:
    """Print the table and the differences."""
    data_sets: dict[str, list[Path]] = defaultdict(list)
    for split in sorted(Path(sys.argv[1]).iterdir()):
        if all((split / model / "evaluation" / "scores.csv").is_file() for model in ("teacher", "student")):
            data_sets[split.name.rpartition("-")[0]].append(split)
    print("| data | model | Dice (%) of each split | mean ± s.d. | HD95 in pixels (undefined) |")
    print("| --- | --- | --- | --- | --- |")
    lines = []
    for data, splits in data_sets.items():
        found = [{scores.parts[-3] for scores in split.glob("*/evaluation/scores.csv")} for split in splits]
        others = sorted(set.intersection(*found) - {"teacher", "student"})
        means = {}
        for model in ("teacher", "student", *others):
            means[model], cells = summary(model, splits)
            print(f"| {data} | {model} | {cells} |")
        gap = means["teacher"] - means["student"]
        for model in others:
            share = (
                f", {100 * (means[model] - means['student']) / gap:.0f} % of the gap to the teacher" if gap > 0 else ""
            )
            lines.append(f"- {data}, {model} against student: {verdict(model, splits)}{share}.")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
