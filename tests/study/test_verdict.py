# SPDX-License-Identifier: Apache-2.0
"""The sentence that a report begins with, of scores whose answer is known; and the page that sorts its tables."""

import re

import pytest

from monai_kd.study.reporting.pages import write_html
from monai_kd.study.reporting.score_table import score_table
from monai_kd.study.reporting.verdict import verdict
from monai_kd.study.results.roc_auc import Answer
from monai_kd.study.results.scores import Scores
from monai_kd.utils.tables import Table


def scores(**rows):
    """Rows of three splits of twenty images: the student has 0.5 ± 0.05, another row so many points more."""
    noise = [0.05 if image % 2 else -0.05 for image in range(20)]

    def of(lead, shift):
        return {
            f"{split}-0": {f"{split}/{image}": 0.5 + lead + n * (-1 if shift and image % 4 < 2 else 1)
                           for image, n in enumerate(noise)}
            for split in range(3)
        }  # fmt: skip

    return {name: Scores("Dice", of(lead, shift=lead != 0)) for name, lead in rows.items()}


def test_a_better_row_is_named_with_its_lead_and_the_gap_that_it_closes():
    said = verdict(scores(Teacher=0.2, Student=0.0, Distilled=0.15), "Teacher", "Student")
    assert said.startswith("Distilled is better than Student: +15.0 points (95 % interval +1")
    assert said.endswith("it closes 75 % of the gap to Teacher.")
    said = verdict(scores(Teacher=0.2, Student=0.0, A=0.1, B=0.2, C=-0.1), "Teacher", "Student")
    assert said.startswith("2 of 3 rows are better than Student. The best is B: +20.0 points")


def test_chance_and_harm_are_not_better():
    said = verdict(scores(Teacher=0.2, Student=0.0, A=0.0, B=-0.3), "Teacher", "Student")
    assert said.startswith("No row is shown to be better than Student. The highest is A: +0.0 points")


@pytest.mark.parametrize("lead", [0.009, -0.1, 0.0])
def test_where_the_teacher_has_no_lead_no_share_of_it_is_given(lead):
    found = scores(Teacher=lead, Student=0.0, Distilled=0.15)
    said = verdict(found, "Teacher", "Student")
    assert said.endswith("Teacher has no clear lead over Student, so no share of it is given.")
    table = score_table(found, "Teacher", "Student")
    shown = {row[0]: row[table.columns.index("gap recovered")] for row in table.rows}
    assert shown == {"Teacher": "–", "Student": "–", "Distilled": "no gap"}


def classifier(wrong, accuracy):
    """Three splits of ten images of each class; ``wrong`` of the ten positive ones get the lowest probability."""
    answers = {
        f"{split}-0": {
            f"{split}/{positive}/{image}": Answer(0.5 if not positive else 0.9 if image >= wrong else 0.1, positive)
            for positive in (False, True)
            for image in range(10)
        }
        for split in range(3)
    }
    right = {group: dict.fromkeys(images, accuracy) for group, images in answers.items()}
    return Scores("Accuracy", right, answers=answers)


def test_classifiers_are_judged_by_roc_auc():
    rows = {"Teacher": classifier(0, 0.5), "Student": classifier(8, 0.5), "Distilled": classifier(2, 0.5)}
    said = verdict(rows, "Teacher", "Student")  # ROC AUC 1.0, 0.2 and 0.8; one accuracy
    assert said.startswith("Distilled is better than Student: +0.600 in ROC AUC (95 % interval +0.")
    assert said.endswith("; it closes 75 % of the gap to Teacher.")
    same = verdict({**rows, "Distilled": classifier(8, 1.0)}, "Teacher", "Student")
    assert same.startswith("No row is shown to be better than Student. The highest is Distilled: +0.000 in ROC AUC")
    weak = verdict({**rows, "Teacher": classifier(8, 1.0)}, "Teacher", "Student")
    assert weak.endswith("; Teacher has no clear lead over Student, so no share of it is given.")


def test_the_verdict_and_the_table_give_one_difference():
    """An image that several splits test counts once in both."""
    found = scores(Teacher=0.2, Student=0.0, Distilled=0.15)
    for of_row, more in (("Student", 0.0), ("Distilled", 0.3)):
        again = dict.fromkeys([f"0/{image}" for image in range(10)], 0.5 + more)
        found[of_row] = Scores("Dice", {**found[of_row].values, "3-0": again})
    table = score_table(found, "Teacher", "Student")
    (row,) = [row for row in table.rows if row[0] == "Distilled"]
    difference = float(row[table.columns.index("difference from Student")])
    assert f"{difference:+.1f} points" in verdict(found, "Teacher", "Student")


def test_one_training_gives_no_verdict():
    found = {name: Scores("Dice", {"0-0": {"a": 0.5, "b": 0.6}}) for name in ("Teacher", "Student")}
    assert verdict(found, "Teacher", "Student").startswith("No verdict: it needs a row beside Teacher and Student")


def test_a_heading_sorts_the_table(tmp_path, chromium):
    rows = [
        ["a", "9.5 ± 1", "987", "0.0300 (0.2)", "1/20"],
        ["b", "–", "1,234,567", "<0.0001 (0.0003)", "1/1"],
        ["c", "10.5 (1)", "1,230,000", "–", "1/3"],
        ["d", "-2.0", "20", "0.0002", "–"],
    ]
    table = Table("Dice", ["model", "mean", "parameters", "t-test", "of Teacher's"], rows)
    write_html(tmp_path / "page.html", "Study", ["Verdict.", "Fact."], [table], [])
    tab = chromium.new_page()
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.locator("h1 + p").inner_text() == "Verdict."

    def order():
        return "".join(re.findall(r"(?m)^\w", tab.locator("tbody").inner_text()))

    means = (("mean", "cadb"), ("mean", "dacb"))
    others = (("parameters", "bcad"), ("t-test", "adbc"), ("of Teacher's", "bcad"))
    for key, expected in (*means, *others, ("model", "dcba"), ("model", "abcd")):
        tab.get_by_role("button", name=key).press("Enter")
        assert order() == expected
    tab.close()


@pytest.mark.parametrize("missing", ["Teacher", "Student"])
def test_a_row_that_has_not_finished(missing):
    found = scores(Teacher=0.2, Student=0.0, Distilled=0.15)
    del found[missing]
    said = verdict(found, "Teacher", "Student")
    assert said.startswith("Distilled is better" if missing == "Teacher" else "No verdict")
    assert "gap" not in said
