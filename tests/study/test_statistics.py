# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest
from scipy import stats

from monai_kd.study.reporting.metrics_table import metrics_table
from monai_kd.study.reporting.score_table import score_table
from monai_kd.study.results.scores import Scores, by_image, read_scores
from monai_kd.study.results.statistics import compare, holm, interval, share_recovered


def scores(seed, count=40):
    return {f"{i:02}": float(value) for i, value in enumerate(np.random.default_rng(seed).uniform(0.3, 1.0, count))}


def test_tests_are_those_of_scipy_over_the_common_images():
    first, second = scores(0), scores(1, 35)
    result = compare(first, second)
    names = sorted(second)
    a, b = ([table[name] for name in names] for table in (first, second))
    change = np.subtract(a, b)
    t = change.mean() / (change.std(ddof=1) / math.sqrt(35))
    assert result.images == 35
    assert result.difference == pytest.approx(change.mean())
    assert result.t_test == pytest.approx(2 * stats.t.sf(abs(t), 34))
    assert result.wilcoxon == pytest.approx(stats.wilcoxon(a, b).pvalue)
    reverse = compare(second, first)
    assert (reverse.t_test, reverse.difference) == (pytest.approx(result.t_test), pytest.approx(-result.difference))


def test_wilcoxon_of_five_images_all_better_by_hand():
    first = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5}
    # All five ranks positive: 2 of the 32 sign patterns are as extreme.
    assert compare(first, dict.fromkeys(first, 0.0)).wilcoxon == pytest.approx(2 / 32)


def test_no_difference_and_too_few_images():
    assert compare(scores(0), scores(0)).t_test == compare(scores(0), scores(0)).wilcoxon == 1.0
    assert compare({"a": 1.0}, {"a": 0.5}) is None
    assert compare(scores(0), {"other": 1.0}) is None


def test_interval_is_the_percentile_bootstrap():
    values = np.array(list(scores(3).values()))
    draws = np.random.default_rng(99).choice(values, (20000, len(values))).mean(axis=1)
    assert interval(values) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])), abs=0.003)
    assert interval(values) == interval(values)
    low, high = interval(np.full(5, 0.5))
    assert (low, high) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),  # 4·0.01, 3·0.02, 2·0.03, then not below 0.06
        ([0.5, 0.001, 0.4], [0.8, 0.003, 0.8]),  # 0.001·3, 0.4·2, max(0.8, 0.5·1)
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_holm_by_hand(given, expected):
    assert holm(given) == pytest.approx(expected)


def test_share_of_the_gap():
    assert share_recovered(0.7, student=0.6, teacher=0.8) == pytest.approx(0.5)
    assert share_recovered(0.9, student=0.6, teacher=0.8) == pytest.approx(1.5)
    assert share_recovered(0.7, student=0.8, teacher=0.8) is None


def test_an_image_of_several_splits_counts_once():
    values = {"0-0": {"a": 0.2, "b": 0.4}, "1-0": {"a": 0.6, "c": 1.0}, "2-0": {"d": 0.0}}
    assert by_image(values, ["0-0", "1-0"]) == pytest.approx({"a": 0.4, "b": 0.4, "c": 1.0})


def test_the_table_by_hand():
    hd95 = {"0-0": {"a": 2.0, "b": math.nan}, "1-0": {"a": 4.0, "c": 6.0}}
    dice = {
        "Teacher": {"0-0": {"a": 0.75, "b": 0.95}, "1-0": {"a": 0.7, "c": 0.8}},
        "Student": {"0-0": {"a": 0.5, "b": 0.7}, "1-0": {"a": 0.5, "c": 0.7}},
        "L": {"0-0": {"a": 0.6, "b": 0.8}, "1-0": {"a": 0.7, "c": 0.7}},
        "Half": {"1-0": {"a": 0.6, "c": 0.72}},
    }
    table = score_table({row: Scores("Dice", values, hd95) for row, values in dice.items()}, "Teacher", "Student")
    cells = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert cells["L"]["Dice (%)"] == f"70.00 ± {100 * np.std([0.6, 0.8, 0.7, 0.7], ddof=1):.2f}"
    assert cells["L"]["splits"] == "0.0 (2)"
    assert cells["L"]["difference from Student"] == f"{100 * (0.15 + 0.1 + 0.0) / 3:+.2f}"  # a: mean of 0.1 and 0.2
    gap = 100 * (0.15 + 0.1 + 0.0) / (0.225 + 0.25 + 0.1)  # each image once, as in the difference
    assert cells["L"]["gap recovered"] == f"{gap:.0f} %"
    assert cells["Half"]["gap recovered"] == "40 %"  # of split 1 alone: (66 − 60) / (75 − 60)
    assert cells["L"]["HD95"] == "4.0 (1)"
    assert cells["Student"]["t-test, Student"] == cells["Teacher"]["gap recovered"] == "–"
    p = [
        stats.ttest_rel(*pair).pvalue
        for pair in (([0.65, 0.8, 0.7], [0.5, 0.7, 0.7]), ([0.725, 0.95, 0.8], [0.5, 0.7, 0.7]))
    ]
    half = stats.ttest_rel([0.6, 0.72], [0.5, 0.7]).pvalue
    family = holm([p[1], p[0], half])
    assert cells["L"]["t-test, Student"] == f"{p[0]:.4f} ({family[1]:.4f})"
    assert cells["Teacher"]["t-test, Student"] == f"{p[1]:.4f} ({family[0]:.4f})"


def test_images_without_a_lesion_have_no_dice(tmp_path):
    folder = tmp_path / "0-0" / "L" / "evaluation"
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text("id,dice,iou,hd95\na,0.5,0.4,3.0\nb,,,\nc,0.0,0.0,\n")
    assert read_scores(tmp_path, ["L", "M"], ["0-0"]) == {}  # no summary: not finished
    (folder / "summary.json").write_text("{}")
    (row,) = read_scores(tmp_path, ["L", "M"], ["0-0", "1-0"]).values()
    assert row.values == {"0-0": {"a": 0.5, "c": 0.0}}
    assert row.hd95["0-0"]["a"] == 3.0 and math.isnan(row.hd95["0-0"]["c"])
    for text, message in (
        ("id,dice,hd95\nb,,\n", "no test image has a lesion"),
        ("id,iou\na,1\n", "is not a table of scores"),
    ):
        (folder / "scores.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_scores(tmp_path, ["L"], ["0-0"])


def test_a_further_metric_of_the_evaluation_is_reported(tmp_path):
    known = {"dice": {"mean": 0.5}, "iou": {"mean": 0.4}, "hd95": {"mean": 3.0}, "dice benign": {"mean": 0.1}}
    for group, value in (("0-0", 0.75), ("1-0", 0.25), ("2-0", None)):
        folder = tmp_path / group / "L" / "evaluation"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_text("id,dice,iou,hd95,surface_distance\na,0.5,0.4,3.0,\n")
        (folder / "summary.json").write_text(json.dumps({**known, "surface_distance": {"mean": value, "images": 1}}))
    table = metrics_table(read_scores(tmp_path, ["L"], ["0-0", "1-0", "2-0"]), "Student")
    assert table.columns == ["model", "surface_distance"]
    assert table.rows == [["L", f"0.500 ± {np.std([0.75, 0.25], ddof=1):.3f}"]]  # counts where it is defined


def test_classified_images_are_right_or_wrong(tmp_path):
    summaries = {"0-0": {"roc_auc": 0.75, "ece": None, "images": {"benign": 2}}, "1-0": {"roc_auc": 0.25, "ece": 0.5}}
    for group, summary in summaries.items():
        folder = tmp_path / group / "L" / "evaluation"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_text(
            "id,probability,label,prediction\na,0.9,benign,malignant\nb,0.2,benign,benign\n"
        )
        (folder / "summary.json").write_text(json.dumps(summary))
    scores = read_scores(tmp_path, ["L"], list(summaries))
    assert scores["L"].measure == "Accuracy" and scores["L"].values["1-0"] == {"a": 0.0, "b": 1.0}
    table = metrics_table(scores, "Student")
    spread = np.std([0.75, 0.25], ddof=1)
    assert table.columns == ["model", "roc_auc", "ece"]
    assert table.rows == [["L", f"0.500 ± {spread:.3f}", "0.500"]]  # a metric counts where it is defined
    columns = score_table(scores, "Teacher", "Student").columns
    assert "Accuracy (%)" in columns and "HD95" not in columns


def test_rows_of_two_tasks_are_not_compared(tmp_path):
    for row, text in (("A", "id,label,prediction\na,0,0\n"), ("B", "id,dice,hd95\na,0.5,1.0\n")):
        folder = tmp_path / "0-0" / row / "evaluation"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_text(text)
        (folder / "summary.json").write_text("{}")
    with pytest.raises(ValueError, match="has rows of different tasks"):
        read_scores(tmp_path, ["A", "B"], ["0-0"])
    assert metrics_table(read_scores(tmp_path, ["B"], ["0-0"]), "A") is None
