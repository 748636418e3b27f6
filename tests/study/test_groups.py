# SPDX-License-Identifier: Apache-2.0
"""Scores by groups of images, and pictures of failures, for studies whose results are written by hand."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.data import read_dataset
from monai_kd.phantom import write_phantoms
from monai_kd.study.reporting.failures import Answer, worst_images
from monai_kd.study.reporting.group_report import write_groups
from monai_kd.study.reporting.group_table import difference_table, group_scores
from monai_kd.study.results.image_groups import ImageGroup, image_groups
from monai_kd.study.results.scores import Scores
from monai_kd.study.results.statistics import interval
from monai_kd.utils.figures import GREEN, RED, overlay

NAMES = [f"{number:06}" for number in range(1, 8)]
TEACHER = dict.fromkeys(NAMES, 0.8)
STUDENT = dict.fromkeys(NAMES, 0.5)
DISTILLED = dict(zip(NAMES, (0.0, 0.9, 0.0, 0.6, 0.7, 0.8, 0.3), strict=True))


def mask(record):
    return np.asarray(Image.open(record["label"]).convert("L")) > 0


def write_run(folder, run, row, records, dice, overlays=True):
    evaluation = folder / run / row / "evaluation"
    (evaluation / "overlays").mkdir(parents=True)
    (evaluation.parent / "evaluate.json").write_text('{"layout": null}')
    lines = [f"{name},{value},{value},{'' if value in ('', 0.0) else 3.0}" for name, value in dice.items()]
    (evaluation / "scores.csv").write_text("\n".join(["id,dice,iou,hd95", *lines]) + "\n")
    (evaluation / "summary.json").write_text("{}")
    for name, value in dice.items() if overlays else ():
        truth = mask(records[name])
        predicted = truth if value else np.zeros_like(truth)
        picture = overlay(np.zeros(truth.shape), [(truth, GREEN), (predicted, RED)])
        Image.fromarray(picture).save(evaluation / "overlays" / f"{name}.png")


@pytest.fixture
def made(tmp_path, data):
    """A study of two splits, of which the rows' scores are given by run, and the records of its images."""
    records = {record["id"]: record for record in read_dataset(data)}

    def make(overlays=True, **rows):
        folder = tmp_path / "out"
        for row, runs in rows.items():
            for run, dice in runs.items():
                write_run(folder, run, row, records, dice, overlays)
        plan = {
            "name": "By hand",
            "rows": [{"name": row, "evaluate": ["evaluate"]} for row in rows],
            "teacher": "Teacher",
            "student": "Student",
            "splits": 2,
            "seeds": [0],
            "dataset_dir": str(data),
        }
        (folder / "study.json").write_text(json.dumps(plan))
        (folder / "splits.json").write_text(json.dumps({"splits": [{}, {}]}))
        return folder

    return make, records


@pytest.fixture
def study(made):
    make, records = made
    rows = {"Teacher": TEACHER, "Student": STUDENT, "Distilled": DISTILLED}
    return make(**{row: {"0-0": dice} for row, dice in rows.items()}), records


def read_csv(folder):
    with (folder / "groups.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_of_groups_by_hand():
    values = {"0-0": {"a": 0.0, "b": 0.6, "c": 0.9}, "1-0": {"a": 0.5, "d": 0.0}}
    pair, alone = (
        ImageGroup("pathology", "benign", frozenset("ab")),
        ImageGroup("pathology", "malignant", frozenset("d")),
    )
    nobody = ImageGroup("pathology", "normal", frozenset("e"))
    found = group_scores({"L": Scores("Dice", values)}, [pair, alone, nobody])["L"]
    assert set(found) == {pair, alone}
    # a: the mean of 0.0 and 0.5, and missed in one run of two.
    assert (found[pair].images, found[pair].mean, found[pair].missed) == (2, pytest.approx(0.425), 0.25)
    assert (found[pair].low, found[pair].high) == interval(np.array([0.25, 0.6]))
    assert (found[alone].images, found[alone].mean, found[alone].missed) == (1, 0.0, 1.0)
    assert math.isnan(found[alone].low)


def test_differences_are_paired_over_the_runs_of_both():
    values = {
        "L": {"0-0": {"a": 0.5, "b": 0.9, "c": 0.2}, "1-0": {"a": 0.1}},
        "Student": {"0-0": {"a": 0.4, "b": 0.6, "c": 0.9}},
    }
    groups = [ImageGroup("pathology", "benign", frozenset("ab")), ImageGroup("pathology", "malignant", frozenset("c"))]
    table = difference_table({row: Scores("Dice", of_row) for row, of_row in values.items()}, groups, "Student")
    assert table.columns == ("model", "benign", "malignant")
    assert table.rows == [["L", "+20.0 (+10.0 to +30.0)", "–"]]  # of a: 0.1, in the first run; of b: 0.3


def test_intervals_of_differences_cover_other_trainings():
    runs = {"0-0": 0.6, "1-0": 0.8}  # every image gains 0.1 in one training and 0.3 in the other
    values = {
        "L": {run: dict.fromkeys("ab", score) for run, score in runs.items()},
        "Student": {run: dict.fromkeys("ab", 0.5) for run in runs},
    }
    groups = [ImageGroup("data set", "here", frozenset("ab"))]
    table = difference_table({row: Scores("Dice", of_row) for row, of_row in values.items()}, groups, "Student")
    assert table.rows == [["L", "+20.0 (+10.0 to +30.0)"]]


def test_differences_from_another_row(made):
    make, _ = made
    dice = {"Teacher": TEACHER, "Student": STUDENT, "Distilled": DISTILLED}
    folder = make(**{row: {"0-0": of_row} for row, of_row in dice.items()})
    expected = 100 * np.mean([DISTILLED[name] - TEACHER[name] for name in NAMES])
    (table,) = [table for table in write_groups(folder, against="Teacher")[0] if "Difference" in table.title]
    assert table.title == "Difference from Teacher" and [row[0] for row in table.rows] == ["Student", "Distilled"]
    assert table.rows[1][1].startswith(f"{expected:+.1f} (")
    told = CliRunner().invoke(command_line.app, ["study", "groups", str(folder), "--against", "Teacher"])
    assert "Difference from Teacher" in told.output and "Difference from Student" not in told.output
    with pytest.raises(ValueError, match=r"no finished run of a row 'Taecher'.*Closest: 'Teacher'"):
        write_groups(folder, against="Taecher")


def test_sizes_are_thirds_of_these_images():
    shares = {f"{i:02}": (i + 1) / 100 for i in range(9)}
    groups = image_groups(dict.fromkeys(shares, "benign"), shares)
    assert [(group.kind, len(group.images)) for group in groups] == [
        ("all", 9),
        ("pathology", 9),
        *[("lesion size", 3)] * 3,
    ]
    assert groups[2].images == {"00", "01", "02"} and groups[4].images == {"06", "07", "08"}
    # Bounds lie between 3 and 4 %, and between 6 and 7 %: terciles, by linear interpolation.
    assert [group.name for group in groups[2:]] == ["small, to 3.67 %", "medium, to 6.33 %", "large, over 6.33 %"]
    assert len(image_groups({"a": "normal", "b": "normal"}, {"a": 0.1, "b": 0.1})) == 3  # equal sizes are one group


def test_tables_and_picture_are_written(study):
    folder, records = study
    tables, told = write_groups(folder)
    assert [table.title for table in tables] == [
        "Dice (%) by pathology and lesion size",
        "Difference from Student",
        "Missed lesions (%)",
        "Worst test images of Distilled",
    ]
    lines = {(line["model"], line["group"]): line for line in read_csv(folder)}
    assert float(lines["Distilled", "all"]["dice"]) == pytest.approx(np.mean(list(DISTILLED.values())), abs=1e-6)
    assert float(lines["Distilled", "all"]["missed"]) == pytest.approx(2 / 7, abs=1e-6)
    benign = [name for name in NAMES if records[name]["pathology"] == "benign"]
    assert int(lines["Student", "benign"]["images"]) == len(benign)
    assert float(lines["Distilled", "benign"]["dice"]) == pytest.approx(np.mean([DISTILLED[name] for name in benign]))
    small = next(line for (model, name), line in lines.items() if model == "Student" and name.startswith("small"))
    sizes = sorted(NAMES, key=lambda name: mask(records[name]).mean())
    assert int(small["images"]) == 3 and small["kind"] == "lesion size"
    assert f"to {100 * mask(records[sizes[2]]).mean():.3g} %" in small["group"]  # the third of seven is the tercile
    text = (folder / "groups.md").read_text()
    assert "![Failures](failures.png)" in text and "By hand" in text and "of Distilled" in text
    picture = np.asarray(Image.open(folder / "failures.png").convert("RGB")).astype(int)
    assert (picture[..., 0] - picture[..., 1] > 150).any() and (picture[..., 1] - picture[..., 0] > 150).any()
    assert "groups.md, groups.csv, failures.png" in told[-1]


def test_failures_are_the_worst_images_and_say_what_went_wrong(study):
    folder, records = study
    table = write_groups(folder, count=3)[0][-1]
    missed = sorted(["000001", "000003"], key=lambda name: -mask(records[name]).mean())  # equal scores: larger first
    assert [row[0] for row in table.rows] == [*missed, "000007"]
    assert table.columns[-2:] == ("Distilled", "Teacher")
    assert [row[-2] for row in table.rows] == ["0 %, nothing found", "0 %, nothing found", "30 %, 1.0 × its area"]
    assert {row[-1] for row in table.rows} == {"80 %, 1.0 × its area"}
    assert write_groups(folder, row="Teacher")[0][-1].columns[-1] == "Teacher"


def test_what_went_wrong():
    truth = np.zeros((40, 60), dtype=bool)
    truth[10:20, 10:20] = True
    larger, elsewhere = truth.copy(), np.zeros_like(truth)
    larger[10:20, 10:35] = True
    elsewhere[30:40, 50:60] = True
    for predicted, dice, error in (
        (larger, 0.57, "2.5 × its area"),
        (elsewhere, 0.0, "found elsewhere"),
        (np.zeros_like(truth), 0.0, "nothing found"),
    ):
        picture = overlay(np.linspace(0, 255, truth.size).reshape(truth.shape), [(truth, GREEN), (predicted, RED)])
        assert Answer(dice, picture, truth.mean()).error == error


def test_an_image_is_shown_in_its_worst_run(made):
    values = {"0-0": {"a": 0.4, "b": 0.5}, "1-0": {"a": 0.2}}
    assert worst_images(Scores("Dice", values), {"a": 0.1, "b": 0.1}, 5) == [("a", "1-0"), ("b", "0-0")]
    make, _ = made
    runs = {"0-0": {"000001": 0.4, "000002": 0.5}, "1-0": {"000001": 0.2}}
    folder = make(Teacher={"0-0": runs["0-0"]}, Student=runs)
    table = write_groups(folder)[0][-1]
    # There is no distilled row, and the teacher has not finished the run that is shown.
    assert [row[3:] for row in table.rows] == [
        ["1-0", "20 %, 1.0 × its area", "–"],
        ["0-0", "50 %, 1.0 × its area", "50 %, 1.0 × its area"],
    ]


def test_moved_data_are_named_anew(study, data, tmp_path):
    folder, _ = study
    plan = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**plan, "dataset_dir": str(tmp_path / "gone")}))
    with pytest.raises(
        FileNotFoundError, match=r"'.*gone', the folder with the images .* does not exist.*--dataset-dir"
    ):
        write_groups(folder)
    assert write_groups(folder, dataset_dir=data)[0]
    other = tmp_path / "other"
    write_phantoms(other, count=6)
    with pytest.raises(ValueError, match=r"1 of 7 test images are not in '.*other': 000007\. Name the folder"):
        write_groups(folder, dataset_dir=other)


def test_unknown_rows_and_folders_are_refused(study, tmp_path):
    folder, _ = study
    with pytest.raises(ValueError, match=r"no finished run of a row 'Distiled'.*Closest: 'Distilled'"):
        write_groups(folder, row="Distiled")
    with pytest.raises(FileNotFoundError, match="No study in"):
        write_groups(tmp_path / "none")
    for path in folder.glob("*/*/evaluation/summary.json"):
        path.unlink()
    with pytest.raises(ValueError, match="has finished yet"):
        write_groups(folder)
    assert not (folder / "groups.csv").exists()


def test_without_pictures_there_are_tables(made):
    make, _ = made
    folder = make(overlays=False, Teacher={"0-0": TEACHER}, Student={"0-0": STUDENT})
    tables, told = write_groups(folder)
    assert len(tables) == 3 and any("Failures are not shown" in line for line in told)
    assert (folder / "groups.md").is_file() and not (folder / "failures.png").exists()


def test_images_without_a_lesion_are_counted(made):
    make, _ = made
    folder = make(Teacher={"0-0": {**TEACHER, "000009": ""}}, Student={"0-0": STUDENT}, overlays=False)
    _, told = write_groups(folder)
    assert told[0] == "7 test images with a score." and told[1].startswith("1 test images have no lesion")


def test_classifiers_have_accuracy_alone(made):
    make, _ = made
    folder = make(Teacher={"0-0": TEACHER}, Student={"0-0": STUDENT}, overlays=False)
    for path in folder.glob("*/*/evaluation/scores.csv"):
        lines = [f"{name},malignant,{'benign' if name < '000003' else 'malignant'}" for name in NAMES]
        path.write_text("\n".join(["id,prediction,label", *lines]) + "\n")
    (table, _), _ = write_groups(folder)
    assert table.title.startswith("Accuracy (%)") and table.rows[0][1].startswith("71.4")
    assert read_csv(folder)[0]["missed"] == ""


def test_the_command_prints_the_tables(study, monkeypatch, capsys):
    folder, _ = study
    result = CliRunner().invoke(
        command_line.app, ["study", "groups", str(folder), "--row", "Student", "--failures", "2"]
    )
    assert result.exit_code == 0, result.output
    assert "Worst test images of Student" in result.output and "groups.csv" in result.output
    monkeypatch.setattr("sys.argv", ["monai_kd", "study", "groups", str(folder / "none")])
    with pytest.raises(SystemExit):
        command_line.main()
    printed = capsys.readouterr().err
    assert "Error: No study in" in printed and "Traceback" not in printed


def test_a_damaged_description_is_named(study):
    folder, _ = study
    (folder / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study\.json' is not JSON: .*study run' again"):
        write_groups(folder)
