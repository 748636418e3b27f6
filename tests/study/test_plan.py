# SPDX-License-Identifier: Apache-2.0
import json
import re
from pathlib import Path

import pytest

from monai_kd.study import read_plan
from monai_kd.study.running.run_configs import differences, row_configs
from monai_kd.study.running.runs import list_runs
from tests.study.conftest import BUNDLE, DISTILLED, STUDENT, TEACHER

pytest.importorskip("yaml")
SPLIT = {"training": ["1"], "validation": ["2"], "test": ["3"]}
STUDIES = sorted(BUNDLE.parent.glob("*/studies/*.yaml"))


def runs(plan, splits=(SPLIT,)):
    return list_runs(plan, splits, Path("data"), Path("out"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_shipped_studies_can_be_run(path):
    plan = read_plan(path)
    listed = runs(plan, [SPLIT] * plan.splits)
    assert len(listed) == len(plan.rows) * plan.splits * len(plan.seeds)


@pytest.mark.parametrize("name", ["paper", "reduced", "smoke"])
def test_the_papers_rows_are_in_every_study_of_the_paper(name):
    rows = {row.name for row in read_plan(BUNDLE / "studies" / f"{name}.yaml").rows}
    assert rows >= {row.name for row in read_plan(BUNDLE / "studies" / "paper.yaml").rows}


def test_paper_has_the_papers_settings():
    plan = read_plan(BUNDLE / "studies" / "paper.yaml")
    assert plan.splits == 3
    for run in runs(plan):
        train = run.configs["train"]
        assert train["optimizer"]["_target_"] == "torch.optim.Adam"
        assert (train["learning_rate"], train["batch_size"], train["max_epochs"], train["patience"]) == (
            1e-4,
            64,
            500,
            50,
        )
        assert train["loss"]["lambda_dice"] == 0.0
        if run.needs:
            assert train["supervised_weight"] == 0.5
            assert sum(way["weight"] for name, way in train["pathways"].items() if name != "_target_") == 0.5


def test_chosen_rows_bring_those_that_they_need():
    plan = read_plan(BUNDLE / "studies" / "labels.yaml")
    assert [row.name for row in plan.of_rows(["Self_training"]).rows] == ["Teacher", "Student", "Self_training"]
    plan = read_plan(BUNDLE / "studies" / "paper.yaml")
    chosen = plan.of_rows(["L_KLD"])
    assert [row.name for row in chosen.rows] == ["Teacher", "Student", "L_KLD"]
    assert len(runs(chosen)) == 3 and chosen.settings == plan.settings
    with pytest.raises(ValueError, match=r"no row 'L_KLDD'\. Closest: 'L_KLD"):
        plan.of_rows(["Student", "L_KLDD"])
    with pytest.raises(ValueError, match="no row ''"):  # of an unset variable of the shell
        plan.of_rows([""])


def test_a_run_is_its_configs(study):
    plan = read_plan(study(rows={"Teacher": TEACHER, "Student": STUDENT, "L": DISTILLED}, seeds=[3, 5]))
    listed = runs(plan, [SPLIT, SPLIT])
    assert [run.name for run in listed[:3]] == ["0-3/Teacher", "0-3/Student", "0-3/L"] and len(listed) == 12
    teacher, student, distilled = listed[:3]
    assert teacher.needs == student.needs == () and distilled.needs == (teacher,)
    train, evaluate = distilled.configs["train"], distilled.configs["evaluate"]
    assert train["split"] == evaluate["split"] == SPLIT and train["seed"] == 3
    assert train["teacher_checkpoint"] == teacher.configs["train"]["checkpoint"] == str(teacher.folder / "model.pt")
    assert train["checkpoint"] == evaluate["checkpoint"] == str(distilled.folder / "model.pt")
    assert train["max_epochs"] == 1 and "max_epochs" not in evaluate
    assert train["student_channels"] == evaluate["student_channels"] == [2, 4, 4]
    assert train["pathways"]["logits"]["loss"]["temperature"] == 1.0


def test_arguments_of_a_row_go_before_settings(study):
    rows = {"Teacher": TEACHER, "Student": {**STUDENT, "arguments": {"max_epochs": 7, "loss#lambda_ce": 2.0}}}
    teacher, student = runs(read_plan(study(rows=rows)))
    assert (teacher.configs["train"]["max_epochs"], student.configs["train"]["max_epochs"]) == (1, 7)
    assert student.configs["train"]["loss"]["lambda_ce"] == 2.0


def test_a_distilled_row_can_teach_another(study):
    rows = {"Second": {**DISTILLED, "teacher": "First"}, "First": DISTILLED, "Teacher": TEACHER, "Student": STUDENT}
    by_row = {run.row: run for run in runs(read_plan(study(rows=rows)))}
    assert by_row["Second"].needs == (by_row["First"],) and by_row["First"].needs == (by_row["Teacher"],)


def test_a_row_that_teaches_itself_waits_for_no_teacher(study):
    alone = {"train": ["train", "teachers/self_ema"]}
    by_row = {
        run.row: run for run in runs(read_plan(study(rows={"Alone": alone, "Teacher": TEACHER, "Student": STUDENT})))
    }
    assert by_row["Alone"].needs == ()


def test_an_ensemble_learns_from_several_rows(study):
    both = {"train": ["train", "teachers/ensemble"], "teacher": ["Teacher", "Second"]}
    rows = {"Both": both, "Teacher": TEACHER, "Second": {**TEACHER, "arguments": {"seed": 1}}, "Student": STUDENT}
    by_row = {run.row: run for run in runs(read_plan(study(rows=rows)))}
    assert by_row["Both"].needs == (by_row["Teacher"], by_row["Second"])
    assert [by_row[name].configs["train"]["seed"] for name in ("Teacher", "Second")] == [0, 1]
    files = [by_row[name].configs["train"]["checkpoint"] for name in ("Teacher", "Second")]
    assert by_row["Both"].configs["train"]["teacher_checkpoint"] == files


def test_rows_of_another_study_come_first(study, tmp_path):
    study(rows={"Teacher": TEACHER, "Student": STUDENT, "L": DISTILLED}, settings={"max_epochs": 9}).rename(
        tmp_path / "other.yaml"
    )
    own = {"L": {**DISTILLED, "arguments": {"seed": 7}}, "Last": STUDENT}
    plan = read_plan(study(rows_of="other.yaml", rows=own, splits=2))
    assert [row.name for row in plan.rows] == ["Teacher", "Student", "L", "Last"]
    assert plan.rows[2].arguments == {"seed": 7}  # the study's own row replaces the other study's
    assert plan.settings["max_epochs"] == 1 and plan.splits == 2  # only the rows come from the other study
    study(rows_of="other.yaml").rename(tmp_path / "second.yaml")
    with pytest.raises(ValueError, match=r"second.yaml', which takes its own rows from another study"):
        read_plan(study(rows_of="second.yaml"))
    with pytest.raises(FileNotFoundError, match=r"No study '.*missing.yaml'"):
        read_plan(study(rows_of="missing.yaml"))


ROWS = {"Teacher": TEACHER, "Student": STUDENT}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"rows": {**ROWS, "L": {"train": ["train", "methods/logits_k"]}}}, r"Row 'L'.*Closest: 'methods/logits_kl'"),
        ({"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"max_epoch": 2}}}}, r"Row 'L'.*'max_epoch'.*'max_epochs'"),
        ({"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"pathway#logits": 2}}}}, r"'pathway#logits'.*'pathways'"),
        ({"rows": {**ROWS, "L": {**DISTILLED, "overlay": []}}}, r"row 'L': no entry 'overlay'"),
        ({"rows": {**ROWS, "L": {"train": "train"}}}, r"row 'L': 'train' must be a list"),
        ({"rows": {**ROWS, "L": {}}}, r"row 'L': 'train' must be a list"),
        ({"rows": {**ROWS, "a/b": STUDENT}}, r"row 'a/b': the name is also a folder's name"),
        ({"rows": {**ROWS, "student": STUDENT}}, r"differ only in case"),
        ({"rows": {**ROWS, "L": {**DISTILLED, "teacher": "Techer"}}}, r"no row 'Techer'. Closest: 'Teacher'"),
        (
            {"rows": {**ROWS, "L": {**STUDENT, "teacher": "Teacher"}}},
            r"'L' names the teacher Teacher.*uses no 'teacher_checkpoint'",
        ),
        ({"rows": {**ROWS, "L": {**DISTILLED, "teacher": [1]}}}, r"must be the name of a row, or a list"),
        ({"rows": {**ROWS, "L": {**DISTILLED, "teacher": "L"}}}, r"\['L'\] wait for each other"),
        ({"rows": {"Student": STUDENT}}, r"teacher: there is no row 'Teacher'"),
        ({"rows": None}, r"has no 'rows'"),
        ({"bundle": None}, r"has no 'bundle'"),
        ({"bundle": "nowhere"}, r"is not a bundle's folder"),
        ({"seed": [1]}, r"no entry 'seed'. Closest: 'seeds'"),
        ({"seeds": [1, 1]}, r"seeds must be a list of different whole numbers"),
        ({"splits": 0}, r"splits must be a whole number from 1, got 0"),
        ({"settings": {"output_dir": "x"}}, r"Settings: 'output_dir' cannot be set in a row.* study run --output-dir"),
        ({"settings": {"layout": "x"}}, r"Settings: 'layout' .* study run --layout"),
        ({"settings": {"max_epochs": "many"}}, r"Settings, 'max_epochs' must be a whole number from 1, got 'many'"),
        ({"settings": {"spatial_size": [64]}}, r"Settings, 'spatial_size' must be a list of 2 whole numbers"),
        (
            {"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"output_dir": "x"}}}},
            r"Row 'L': 'output_dir' .*Leave it out",
        ),
        (
            {"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"checkpoint": "x"}}}},
            r"Row 'L': 'checkpoint' cannot be set in a row",
        ),
        ({"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"teacher_checkpoint": "x"}}}}, r"by the row's 'teacher'"),
        (
            {"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"resume": "no"}}}},
            r"'resume' must be True or False, got 'no'",
        ),
        ({"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"learning_rate": 0}}}}, r"must be a number above 0, got 0"),
        (
            {"rows": {**ROWS, "L": {**DISTILLED, "arguments": {"optimizer#lrr": 1}}}},
            r"Row 'L', 'optimizer#lrr'.*optimizer#lr",
        ),
        ({"rows": {**ROWS, "L": {**DISTILLED, "grid": {"batch_size": [4, "x"]}}}}, r"'batch_size' must be .*got 'x'"),
        ({"settings": {"seed": 1}}, r"Settings: 'seed' cannot be set here.* 'seeds: \[0\]'"),
        ({"settings": {"learning_rat": 1}}, r"no 'learning_rat' in any config.*'learning_rate'"),
    ],
)
def test_what_is_wrong_in_a_study_is_named(study, entries, message):
    settings = entries.pop("settings", None)
    with pytest.raises(ValueError, match=message):
        runs(read_plan(study(settings, **entries)))


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No study"):
        read_plan(tmp_path / "none.yaml")
    for text, message in (
        ("{", "is not YAML"),
        ("- a", "must be names with values"),
        ("name: a\nname: b\n", "has 'name' twice"),
        ("rows:\n  L: {train: [train]}\n  L: {train: [train]}\n", "has 'L' twice"),
        ("!!python/object:a {}", "not YAML"),
    ):
        (tmp_path / "study.yaml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_plan(tmp_path / "study.yaml")


def test_an_overlay_of_which_nothing_is_used_is_refused(tmp_path, study):
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "train.json").write_text(json.dumps({"a": 1, "b": "@a"}))
    (configs / "evaluate.json").write_text("{}")
    (configs / "typo.json").write_text(json.dumps({"aa": 1}))
    rows = {"Student": {"train": ["train", "typo"]}}
    plan = read_plan(study(bundle=str(tmp_path), rows=rows, teacher="Student"))
    with pytest.raises(ValueError, match=r"'aa' of typo\.json is used nowhere\. Closest: 'a'"):
        row_configs(plan, plan.rows[0])
    (configs / "typo.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        row_configs(plan, plan.rows[0])


def test_a_row_of_configs_in_yaml(tmp_path, study):
    configs = tmp_path / "configs"
    (configs / "methods").mkdir(parents=True)
    (configs / "train.yaml").write_text("a: {x: 1, y: 2}\nb: '@a'\nseed: 0\n")
    (configs / "methods" / "mine.yml").write_text("a#x: 5\n")
    (configs / "evaluate.yaml").write_text("b: 1\n")
    rows = {"Student": {"train": ["train", "methods/mine"], "arguments": {"a#y": 4}}}
    plan = read_plan(study({}, bundle=str(tmp_path), rows=rows, teacher="Student"))
    assert row_configs(plan, plan.rows[0])["train"] == {"a": {"x": 5, "y": 4}, "b": "@a", "seed": 0}
    (configs / "methods" / "mine.yml").write_text("a#x: 5\na#x: 6\n")
    with pytest.raises(ValueError, match=r"Row 'Student': .*mine\.yml' has 'a#x' twice"):
        row_configs(plan, plan.rows[0])
    (configs / "methods" / "mine.yml").write_text("c#x: 5\n")
    with pytest.raises(ValueError, match=r"Row 'Student': .*mine\.yml': 'c#x' does not fit"):
        row_configs(plan, plan.rows[0])


def test_differences_leave_places_out():
    former = {"device": "cpu", "output_dir": "a", "list": [1, 2], "x": {"y": 1}, "gone": 0}
    current = {"device": "cuda", "output_dir": "b", "list": [1, 3], "x": {"y": 1}, "new": 0}
    found = differences(former, current)
    assert [re.match(r"'(.*?)'", line)[1] for line in found] == ["list#1", "gone", "new"]
    assert found[0] == "'list#1': 2 there, 3 here"


def test_an_overlay_may_replace_what_used_an_id_of_another(study):
    """The first overlay uses the id 'teacher_cache'; the second replaces this use, because it runs the teacher live."""
    recipe = [*DISTILLED["train"], "recipes/few_labels", "recipes/function_matching"]
    plan = read_plan(study(rows={"Teacher": TEACHER, "Student": STUDENT, "L": {"train": recipe}}))
    config = runs(plan)[-1].configs["train"]
    assert "teacher_cache" in config and "@teacher_cache" not in json.dumps(config)
