# SPDX-License-Identifier: Apache-2.0
"""The difference of two ROC AUCs, against MONAI's metric and SciPy's bootstrap."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai.metrics import compute_roc_auc
from scipy import stats

from monai_kd.study.reporting.metrics_table import metrics_table
from monai_kd.study.results.roc_auc import Answer, auc_difference
from monai_kd.study.results.scores import read_scores


def answers(groups, images, skill, seed=0):
    """Every third image is positive; ``skill`` raises the probability of these, and some probabilities are tied."""
    rng = np.random.default_rng(seed)

    def answer(positive):
        return Answer(round(float(np.clip(rng.normal(0.4 + skill * positive, 0.2), 0, 1)), 1), positive)

    return {group: {f"{group[0]}/{i}": answer(i % 3 == 0) for i in range(images)} for group in groups}


def auc(of_group):
    values = torch.tensor(list(of_group.values()), dtype=torch.float64)
    return float(compute_roc_auc(values[:, 0], values[:, 1]))


def test_the_mean_is_that_of_monai():
    groups = ["0-0", "0-1", "1-0", "1-1"]
    good, bad = answers(groups, 30, 0.3), answers(groups, 30, 0.05, seed=1)
    expected = np.mean([auc(good[group]) - auc(bad[group]) for group in groups])
    found = auc_difference(good, bad, groups)
    assert found.mean == pytest.approx(expected, abs=1e-12)
    assert found.repeated.low < found.mean < found.repeated.high
    back = auc_difference(bad, good, groups)
    assert back.mean == -found.mean and back.repeated.low == pytest.approx(-found.repeated.high)


def test_of_one_split_whose_seeds_agree_it_is_the_interval_over_images():
    good, bad = answers(["0-0"], 60, 0.3), answers(["0-0"], 60, 0.1, seed=1)
    twice = [{"0-0": one["0-0"], "0-1": one["0-0"]} for one in (good, bad)]
    found = auc_difference(*twice, ["0-0", "0-1"])
    parts = [[name for name in good["0-0"] if good["0-0"][name].positive is kind] for kind in (True, False)]
    values = [np.array([[one["0-0"][name].probability for one in (good, bad)] for name in part]) for part in parts]

    def difference(positive, negative):
        areas = [
            stats.mannwhitneyu(values[0][positive, k], values[1][negative, k]).statistic / positive.size / negative.size
            for k in (0, 1)
        ]
        return areas[0] - areas[1]

    images = tuple(np.arange(len(of_part)) for of_part in values)
    expected = stats.bootstrap(
        images, difference, n_resamples=1500, method="percentile", vectorized=False, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.repeated.low, found.repeated.high) == pytest.approx(tuple(expected), abs=0.02)


def test_splits_that_disagree_make_it_wider():
    same = {f"{s}-0": s for s in range(6)}
    calm = [answers(same, 60, skill) for skill in (0.3, 0.1)]
    wild = [{g: answers([g], 60, 0.5 if s % 2 else 0.0)[g] for g, s in same.items()}, calm[1]]
    widths = [r.high - r.low for r in (auc_difference(*pair, list(same)).repeated for pair in (calm, wild))]
    assert widths[1] > 1.5 * widths[0]


def test_one_training_has_no_interval_and_one_class_no_difference():
    good, bad = answers(["0-0"], 12, 0.3), answers(["0-0"], 12, 0.1)
    assert auc_difference(good, bad, ["0-0"]).repeated is None
    positive = {"0-0": {name: answer for name, answer in good["0-0"].items() if answer.positive}}
    assert auc_difference(positive, bad, ["0-0"]) is None
    assert auc_difference(good, bad, []) is None


def test_the_report_has_it_for_classifiers(tmp_path):
    groups = ["0-0", "1-0", "2-0"]
    rows = {"Teacher": 0.5, "Student": 0.0, "L": 0.4}
    for seed, (row, skill) in enumerate(rows.items()):
        for group, images in answers(groups, 60, skill, seed).items():
            folder = tmp_path / group / row / "evaluation"
            folder.mkdir(parents=True)
            lines = [
                f"{name},{p:.6f},{'malignant' if y else 'benign'},{'malignant' if p > 0.5 else 'benign'}"
                for name, (p, y) in images.items()
            ]
            (folder / "scores.csv").write_text("\n".join(["id,probability,label,prediction", *lines]) + "\n")
            summary = {"roc_auc": auc(images), "images": {"benign": 40, "malignant": 20}}
            (folder / "summary.json").write_text(json.dumps(summary))
    scores = read_scores(tmp_path, list(rows), groups)
    table = metrics_table(scores, "Student")
    assert table.columns == ["model", "roc_auc", "roc_auc − Student", "if repeated, 95 %", "p if repeated"]
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    means = {row: np.mean(list(scores[row].whole["roc_auc"].values())) for row in rows}
    assert cells["L"]["roc_auc − Student"] == f"{means['L'] - means['Student']:+.3f}"
    assert cells["Student"]["p if repeated"] == "–"
    low, p = float(cells["L"]["if repeated, 95 %"].split(" to ")[0]), float(cells["L"]["p if repeated"].split()[0])
    assert low > 0 and p < 0.01
    against = metrics_table(scores, "Teacher")
    assert against.rows[0][2:] == ["–", "–", "–"] and float(against.rows[1][2]) < 0
