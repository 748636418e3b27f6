# SPDX-License-Identifier: Apache-2.0
"""The command on real trainings of the bundles, at the smallest size."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.bundle.command_line import read_command
from monai_kd.bundle.config_files import read_merged
from monai_kd.bundle.finding import find_path
from monai_kd.diagnosis import TrainedRun, measure
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import ROOT, run_bundle, run_classification


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosis")
    write_phantoms(folder / "phantoms", 16)

    def train(name, configs, **arguments):
        places = {"output_dir": str(folder / name), "checkpoint": str(folder / name / "model.pt")}
        run_bundle(configs, dataset_dir=str(folder / "phantoms"), max_epochs=2, **places, **arguments)

    train("teacher", "train_teacher")
    train("student", "train_student")
    teacher = {"teacher_checkpoint": str(folder / "teacher" / "model.pt")}
    train("distilled", "train", **teacher)
    train("pool", ["train", "recipes/few_labels"], labels=4, steps_per_epoch=2, **teacher)
    train("silent", "train", **teacher, **{"pathways#logits#weight": 1e-9})
    return folder


def diagnose(*arguments):
    return CliRunner().invoke(app, ["diagnose", *map(str, arguments)])


def test_the_command_tells_and_writes_a_page(runs, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    run = diagnose(runs / "distilled", "--student-run", runs / "student", "--output-dir", tmp_path / "page")
    assert run.exit_code == 0, run.output
    for part in ("Is the teacher better than the student alone", "share of the gradient", "Distillation", "Page: "):
        assert part in run.output
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == before
    page = (tmp_path / "page" / "diagnosis.html").read_text()
    assert "Findings" in page and "data:image/png;base64," in page
    assert Image.open(tmp_path / "page" / "diagnosis.png").size[0] > 800
    found = json.loads((tmp_path / "page" / "diagnosis.json").read_text())
    assert set(found) == {"verdict", "findings", "next", "scores", "gradients", "images", "steps"}
    assert found["steps"] == torch.load(runs / "distilled" / "last.pt", weights_only=True)["iteration"]


def test_json_alone_can_be_read_by_programs(runs):
    run = diagnose(runs / "pool", "--student-run", runs / "student", "--json")
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert found["images"] == {"labelled": 4, "unlabelled": len(TrainedRun(runs / "student").records("training")) - 4}


def test_the_scores_are_those_that_the_training_found(runs):
    run = TrainedRun(runs / "distilled")
    measured = measure(run, TrainedRun(runs / "student"))
    best = max(value for _, value in run.history["val_mean_dice"])
    scores = list(measured.distilled.scores.values())
    assert sum(scores) / len(scores) == pytest.approx(best, abs=1e-5)
    assert set(measured.teacher.masks) == {record["id"] for record in run.records("validation")}
    assert all(0 <= value <= 1 for value in (*measured.teacher.entropy.values(), *measured.teacher.wrong.values()))


@pytest.mark.parametrize("name", ["distilled", "pool"])  # the latter with random views of a batch
def test_gradients_are_measured_twice_alike_and_at_fresh_weights_first(runs, name):
    run = TrainedRun(runs / name)
    shares = [measure(run, None).gradients for _ in range(2)]
    assert shares[0] == shares[1]
    assert shares[0]["start"] != shares[0]["end"]


def test_a_term_that_is_switched_off_is_found(runs):
    run = diagnose(runs / "silent", "--student-run", runs / "student")
    assert "Raise the pathways' weights" in run.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["student"], "is the run of a student without a teacher. Pass it as --student-run."),
        (
            ["distilled", "--student-run", "pool"],
            "is a distillation. Pass the run of the student alone as --student-run.",
        ),
        (["phantoms"], "has no 'train_config.json'"),
        (["distilled", "--set", "datasetdir=3"], "has no id 'datasetdir', so it cannot be set"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(runs, arguments, message):
    run = diagnose(*[runs / part if (runs / part).exists() else part for part in arguments])
    assert run.exit_code == 1
    assert message in " ".join(run.output.split())


def test_other_images_are_refused(runs, tmp_path):
    write_phantoms(tmp_path / "other", 20)
    places = {"output_dir": str(tmp_path / "run"), "checkpoint": str(tmp_path / "run" / "model.pt")}
    run_bundle("train_student", dataset_dir=str(tmp_path / "other"), fold=1, **places)
    run = diagnose(runs / "distilled", "--student-run", tmp_path / "run")
    assert run.exit_code == 1 and "have different validation images" in " ".join(run.output.split())


def test_test_images_by_a_setting(runs):
    run = diagnose(runs / "distilled", "--student-run", runs / "student", "--set", 'validate#dataset#section="test"')
    assert run.exit_code == 0, run.output


def test_a_bundle_that_was_installed_anew_elsewhere_is_found(runs, tmp_path):
    config = json.loads((runs / "distilled" / "train_config.json").read_text())
    moved = {**config, "bundle_root": f"/former/site-packages/monai_kd/bundles/{ROOT.name}"}
    shutil.copytree(runs / "distilled", tmp_path / "run")
    (tmp_path / "run" / "train_config.json").write_text(json.dumps(moved))
    run = diagnose(tmp_path / "run", "--student-run", runs / "student")
    assert run.exit_code == 0, run.output
    assert f"--bundle {find_path(ROOT.name)} " in " ".join(run.output.split())


def test_the_recipe_is_advised_by_a_command_that_the_bundle_has(runs):
    found = measure(TrainedRun(runs / "distilled"), None).commands
    for name in ("recipes/few_labels", "recipes/patient", "methods/logits_kl"):
        assert (Path(ROOT) / "configs" / f"{name}.json").is_file()
    assert "--recipe few_labels" in found["pool"] and "--method logits_kl" in found["logits"]
    named = measure(TrainedRun(runs / "distilled", {"bundle_root": ROOT.name}), None).commands
    assert named["teacher"].startswith(f"python -m monai_kd run train_teacher --bundle {ROOT.name} --recipe patient")
    kept = ("dataset_dir", "spatial_size", "student_channels", "batch_size", "teacher_checkpoint")
    before = json.loads((runs / "distilled" / "train_config.json").read_text())
    for name in ("pool", "logits", "teacher"):
        words = shlex.split(named[name])
        place = words.index("--bundle")
        arguments = read_command(words[4], words[place + 1], [], words[5:place] + words[place + 2 :])
        after = {**read_merged([Path(file) for file in arguments.pop("config_file")]), **arguments}
        assert {key: after[key] for key in kept if key in after} == {key: before[key] for key in kept if key in after}
        assert after["output_dir"] == "DIR" and after["dataset_dir"] == str(runs / "phantoms")
    assert after["max_epochs"] == 48  # of the recipe: the teacher is another network than the student


def test_a_longer_training_keeps_the_settings_of_the_run(runs, tmp_path):
    found = measure(TrainedRun(runs / "pool"), None)
    assert found.on_outputs
    words = found.commands["longer"].replace("DIR", str(tmp_path / "longer")).split()[3:]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    again, before = (
        json.loads((place / "train_config.json").read_text()) for place in (tmp_path / "longer", runs / "pool")
    )
    kept = ("labels", "teacher_checkpoint", "spatial_size", "student_channels", "pathways", "steps_per_epoch")
    assert {key: again[key] for key in kept} == {key: before[key] for key in kept}
    assert again["max_epochs"] == 4 * before["max_epochs"]


def test_a_classifier(runs, tmp_path):
    def train(name, configs, **arguments):
        places = {"output_dir": str(tmp_path / name), "checkpoint": str(tmp_path / name / "model.pt")}
        run_classification(configs, dataset_dir=str(runs / "phantoms"), **places, **arguments)

    train("teacher", "train_teacher")
    train("student", "train_student")
    train("distilled", "train", teacher_checkpoint=str(tmp_path / "teacher" / "model.pt"))
    run = diagnose(tmp_path / "distilled", "--student-run", tmp_path / "student", "--json")
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert " points of accuracy, paired over" in found["verdict"]
    measured = measure(TrainedRun(tmp_path / "distilled"), TrainedRun(tmp_path / "student"))
    assert set(measured.distilled.scores.values()) <= {0.0, 1.0}
    assert measured.distilled.wrong == {name: 1 - score for name, score in measured.distilled.scores.items()}
