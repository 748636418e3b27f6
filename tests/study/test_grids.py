# SPDX-License-Identifier: Apache-2.0
"""Rows that need another row's checkpoint, and rows with a grid: the plan, a run on phantoms, and the report."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from monai_kd.study import read_plan
from monai_kd.study.reporting.report import write_report
from monai_kd.study.running.runs import list_runs
from tests.study.conftest import DISTILLED, STUDENT, TEACHER

pytest.importorskip("yaml")
SPLIT = {"training": ["1"], "validation": ["2"], "test": ["3"]}
WEIGHT, TEMPERATURE = "pathways#logits#weight", "pathways#logits#loss#temperature"
AUTOENCODER = {"train": ["train_autoencoder"], "evaluate": []}
ADAPTED = {"train": ["train", "methods/knowledge_adaptation"], "checkpoints": {"autoencoder_checkpoint": "Encoder"}}
ROWS = {"Teacher": TEACHER, "Student": STUDENT}


def runs(plan):
    return {run.row: run for run in list_runs(plan, [SPLIT], Path("data"), Path("out"))}


def test_a_grid_makes_a_row_of_every_combination(study):
    rows = {**ROWS, "L": {**DISTILLED, "arguments": {"seed": 7}, "grid": {WEIGHT: [0.1, 2], TEMPERATURE: [4]}}}
    plan = read_plan(study(rows=rows))
    assert [row.name for row in plan.rows] == [
        "Teacher",
        "Student",
        "L",
        "L,weight=0.1,temperature=4",
        "L,weight=2,temperature=4",
    ]
    assert [row.grid_of for row in plan.rows] == ["", "", "", "L", "L"]
    point = plan.rows[-1]
    assert point.arguments == {"seed": 7, WEIGHT: 2, TEMPERATURE: 4} and point.train == plan.rows[2].train
    logits = runs(plan)[point.name].configs["train"]["pathways"]["logits"]
    assert (logits["weight"], logits["loss"]["temperature"]) == (2, 4)


def test_the_row_itself_is_no_further_point(study):
    grid = {WEIGHT: [1, 2], TEMPERATURE: [1, 4]}
    rows = {**ROWS, "L": {**DISTILLED, "arguments": {WEIGHT: 1.0, TEMPERATURE: 4.0}, "grid": grid}}
    names = [row.name for row in read_plan(study(rows=rows)).rows[3:]]
    assert names == ["L,weight=1,temperature=1", "L,weight=2,temperature=1", "L,weight=2,temperature=4"]


def test_ids_with_one_ending_keep_their_whole_names(study):
    grid = {WEIGHT: [1], "pathways#hidden#weight": [2]}
    rows = {**ROWS, "L": {"train": ["train", "methods/logits_and_hidden"], "grid": grid}}
    assert read_plan(study(rows=rows)).rows[-1].name == "L,pathways.logits.weight=1,pathways.hidden.weight=2"


@pytest.mark.parametrize("values", [1, [], [2, 2]])
def test_a_grid_without_different_values_is_refused(study, values):
    rows = {**ROWS, "L": {**DISTILLED, "grid": {WEIGHT: values}}}
    with pytest.raises(ValueError, match=r"row 'L', grid: 'pathways#logits#weight' must be a list of different values"):
        read_plan(study(rows=rows))


def test_an_id_of_a_grid_that_no_config_has_is_refused(study):
    rows = {**ROWS, "L": {**DISTILLED, "grid": {"supervised_weigth": [1]}}}
    with pytest.raises(ValueError, match=r"no 'supervised_weigth' in .*Closest: 'supervised_weight'"):
        runs(read_plan(study(rows=rows)))


def test_a_row_waits_for_the_checkpoint_of_another(study):
    by_row = runs(read_plan(study(rows={"Adapted": ADAPTED, "Encoder": AUTOENCODER, **ROWS})))
    adapted = by_row["Adapted"]
    assert adapted.needs == (by_row["Teacher"], by_row["Encoder"])
    assert adapted.configs["train"]["autoencoder_checkpoint"] == by_row["Encoder"].configs["train"]["checkpoint"]
    assert list(by_row["Encoder"].configs) == ["train"]


@pytest.mark.parametrize(
    ("checkpoints", "message"),
    [
        ({"autoencoder_checkpoint": "Encodr"}, r"row 'Adapted', autoencoder_checkpoint: there is no row 'Encodr'"),
        ({"encoder_checkpoint": "Encoder"}, r"Row 'Adapted': no 'encoder_checkpoint' in"),
        (["Encoder"], r"row 'Adapted', checkpoints must be names with values"),
    ],
)
def test_a_wrong_checkpoint_is_named(study, checkpoints, message):
    rows = {**ROWS, "Encoder": AUTOENCODER, "Adapted": {**ADAPTED, "checkpoints": checkpoints}}
    with pytest.raises(ValueError, match=message):
        runs(read_plan(study(rows=rows)))


def test_both_are_run_and_reported(study, start, tmp_path):
    rows = {**ROWS, "Encoder": AUTOENCODER, "Adapted": {**ADAPTED, "grid": {"supervised_weight": [2.0]}}}
    path, out = study(rows=rows), tmp_path / "out"
    state = start(path, out)
    assert not state.failed and len(state.finished) == 5
    assert not (out / "0-0" / "Encoder" / "evaluation").exists()
    assert len(start(path, out).skipped) == 5  # a run without an evaluation counts as finished, too
    folder, *_ = write_report(out)
    assert "4 of 4 runs have finished" in (folder / "report.md").read_text()
    with (folder / "grids.csv").open(newline="") as file:
        table = {row["model"]: row for row in csv.DictReader(file)}
    best = {}
    for name in ("Adapted", "Adapted,supervised_weight=2.0"):
        best[name] = torch.load(out / "0-0" / name / "last.pt", weights_only=True)["best"][0]
        assert float(table[name]["validation (%)"]) == pytest.approx(100 * best[name], abs=0.006)
    chosen = [name for name, row in table.items() if row["chosen"]]
    assert len(table) == 2 and len(chosen) == 1 and best[chosen[0]] == max(best.values())
    shutil.rmtree(out / "0-0" / "Encoder")
    with pytest.raises(ValueError, match=r"started from a checkpoint that no longer exists: '.*/Encoder'"):
        start(path, out)
