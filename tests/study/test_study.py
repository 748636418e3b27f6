# SPDX-License-Identifier: Apache-2.0
"""Studies of the real bundle, run in processes of their own."""

import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from monai_kd.phantom import write_phantoms
from monai_kd.study import read_plan
from monai_kd.study.reporting.report import write_report
from monai_kd.study.running import scheduling
from monai_kd.utils.folder_lock import locked
from tests.study.conftest import BUNDLE, DISTILLED, STUDENT, TEACHER

pytest.importorskip("yaml")
KILL = {"train#handlers#1": {"_target_": "tests.study.killing.KillStudy"}}
ROWS = {
    "Teacher": TEACHER,
    "Student": STUDENT,
    "Broken": {**STUDENT, "arguments": {"student_channels": [2]}},
    "L": DISTILLED,
    "Orphan": {**DISTILLED, "teacher": "Broken"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def finished(folder, data):
    """A study of which one row fails; its folder, its last state and all states that were shown."""
    import yaml

    from monai_kd.study import run_study
    from monai_kd.study.running.local_workers import LocalWorkers
    from tests.study.conftest import SETTINGS

    path = folder / "study.yaml"
    content = {"name": "A <study>", "bundle": str(BUNDLE), "splits": 1, "rows": ROWS, "settings": SETTINGS}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    seen = []

    def watch(state):
        seen.append([run.row for run in state.running])

    state = run_study(read_plan(path), data, folder / "out", lambda: LocalWorkers(2, threads=1), watch=watch)
    return path, folder / "out", state, seen


def no_workers():
    class Idle:
        slots = 1

        def start(self, run):
            raise AssertionError(f"{run.name} was started")

        def ended(self):
            return []

        def stop(self):
            pass

    return Idle()


def test_a_failing_row_is_reported_and_the_rest_go_on(finished):
    _, out, state, seen = finished
    assert {run.row for run in state.finished} == {"Teacher", "Student", "L"}
    reasons = {run.row: reason for run, reason in state.failed.items()}
    assert set(reasons) == {"Broken", "Orphan"}
    assert (
        "StudentUNet got channels=[2]" in reasons["Broken"]
        and str(out / "0-0" / "Broken" / "log.txt") in reasons["Broken"]
    )
    assert "it needs the checkpoint of 0-0/Broken, and 0-0/Broken failed" in reasons["Orphan"]
    assert max(map(len, seen)) == 2
    assert all("Teacher" not in rows for rows in seen if "L" in rows)


def test_each_run_has_a_folder_that_tells_all(finished, data):
    _, out, _, _ = finished
    folder = out / "0-0" / "L"
    names = {path.name for path in folder.iterdir()}
    assert {"train.json", "evaluate.json", "log.txt", "model.pt", "last.pt", "evaluation"} <= names
    train = json.loads((folder / "train.json").read_text())
    assert train["pathways"]["logits"]["loss"]["temperature"] == 1.0 and train["student_channels"] == [2, 4, 4]
    split = json.loads((out / "splits.json").read_text())["splits"][0]
    assert train["split"] == split
    with (folder / "evaluation" / "scores.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == split["test"]


def test_finished_runs_are_skipped(finished, start, tmp_path):
    path, out, _, _ = finished
    copied = shutil.copytree(out, tmp_path / "out")
    rows = {name: ROWS[name] for name in ("Teacher", "Student", "L")}
    text = path.read_text()
    import yaml

    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**yaml.safe_load(text), "rows": rows}, sort_keys=False))
    before = (copied / "0-0" / "L" / "model.pt").stat().st_mtime_ns
    # Paths do not count, so a run is the same in another place.
    state = start(tmp_path / "study.yaml", copied, workers=no_workers)
    assert len(state.skipped) == 3 and not state.finished and not state.failed
    assert (copied / "0-0" / "L" / "model.pt").stat().st_mtime_ns == before


def test_chosen_rows_run_alone_and_the_study_keeps_all(finished, start, tmp_path):
    path, out, _, _ = finished
    copied = shutil.copytree(out, tmp_path / "out")
    state = start(path, copied, workers=no_workers, rows=["L"])  # without Broken and Orphan, which would start again
    assert {run.row for run in state.skipped} == {"Teacher", "Student", "L"}
    assert [row["name"] for row in json.loads((copied / "study.json").read_text())["rows"]] == list(ROWS)


@pytest.mark.parametrize(
    ("settings", "change"),
    [({"max_epochs": 9}, r"'max_epochs': 1 there, 9 here"), ({"loss#lambda_ce": 0.5}, r"'loss#lambda_ce': null there")],
)
def test_a_changed_config_in_a_finished_folder_is_refused(finished, study, start, settings, change):
    _, out, _, _ = finished
    with pytest.raises(ValueError, match=rf"{change}.*another --output-dir"):
        start(study(settings, rows=ROWS), out, workers=no_workers)


def test_a_teacher_that_was_removed_is_missed(finished, start, tmp_path):
    path, out, _, _ = finished
    copied = shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(copied / "0-0" / "Teacher")
    with pytest.raises(ValueError, match=r"/L' was started from a checkpoint that no longer exists: '.*/Teacher'"):
        start(path, copied, workers=no_workers)


def test_two_studies_in_one_folder_are_refused(finished, start):
    path, out, _, _ = finished
    with locked(out), pytest.raises(ValueError, match=rf"worked on by another process \(process {os.getpid()} on "):
        start(path, out, workers=no_workers)


def test_other_data_are_refused(finished, study, start, tmp_path):
    path, out, _, _ = finished
    write_phantoms(tmp_path / "other", 9)
    with pytest.raises(ValueError, match="is of other images: 4 of its ids are not in the data set"):
        start(path, out, tmp_path / "other", workers=no_workers)
    with pytest.raises(ValueError, match="is of other images"):
        start(path, tmp_path / "new", tmp_path / "other", workers=no_workers, split_file=out / "splits.json")
    assert not (tmp_path / "new" / "0-0").exists()
    with pytest.raises(ValueError, match="has 1 splits, but the study asks for 2"):
        start(study(splits=2), tmp_path / "two", workers=no_workers, split_file=out / "splits.json")


def test_too_few_images_are_refused(study, start, tmp_path):
    with pytest.raises(ValueError, match="The study asks for 163 images, but the data set has 13"):
        start(study(images=163), tmp_path / "out", workers=no_workers)
    write_phantoms(tmp_path / "two", 2)
    with pytest.raises(ValueError, match=r"2|three"):
        start(study(), tmp_path / "out", tmp_path / "two", workers=no_workers)


def test_images_are_drawn_once(study, start, tmp_path):
    with pytest.raises(AssertionError, match="was started"):
        start(study(images=10, splits=2), tmp_path / "out", workers=no_workers)
    splits = json.loads((tmp_path / "out" / "splits.json").read_text())["splits"]
    drawn = [{name for part in split.values() for name in part} for split in splits]
    assert len(drawn[0]) == 10 and drawn[0] == drawn[1] and splits[0] != splits[1]
    with pytest.raises(AssertionError, match="was started"):
        start(study(images=10, splits=2), tmp_path / "out", workers=no_workers)
    with pytest.raises(ValueError, match="Choose another --output-dir"):
        start(study(images=9, splits=2), tmp_path / "out", workers=no_workers)


def test_a_full_disk_is_said(study, start, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(scheduling.shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    with pytest.raises(ValueError, match=r"No space left for .* Free some"):
        start(study(), tmp_path / "out", workers=no_workers)


def test_a_run_that_cannot_write_says_why(study, start, tmp_path):
    path = study({"teacher_def": None}, rows={"Student": STUDENT}, teacher="Student")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))  # less than a checkpoint
    try:
        state = start(path, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"Error: .*Writing '.*' failed: File too large\. Free some space", *state.failed.values())


def test_killed_and_started_again_it_ends_with_the_same_weights(study, start, data, tmp_path):
    path = study(
        {"max_epochs": 3, "teacher_def": None}, rows={"Student": {**STUDENT, "arguments": KILL}}, teacher="Student"
    )
    start(path, tmp_path / "whole")
    command = [sys.executable, "-m", "monai_kd", "study", "run", str(path)]
    command += ["--dataset-dir", str(data), "--output-dir", str(tmp_path / "parts")]
    killed = subprocess.run(command, check=False, env={**os.environ, "KILL_IN_EPOCH": "2"}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    run = tmp_path / "parts" / "0-0" / "Student"
    with locked(run, wait=10):  # the run has ended with its study
        assert torch.load(run / "last.pt", weights_only=True)["epoch"] == 1
    assert len(start(path, tmp_path / "parts").finished) == 1
    assert "Resumed" in (run / "log.txt").read_text()
    for name in ("model.pt", "last.pt"):
        whole, parts = (
            torch.load(tmp_path / part / "0-0" / "Student" / name, weights_only=True) for part in ("whole", "parts")
        )
        states = [state["objects"]["network"] if name == "last.pt" else state for state in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))
    tables = [
        (tmp_path / part / "0-0" / "Student" / "evaluation" / "scores.csv").read_text() for part in ("whole", "parts")
    ]
    assert tables[0] == tables[1]


def test_the_smoke_study_is_killed_and_resumed(data, tmp_path):
    """The shipped study as a user runs it: killed as a whole, started again, reported with every row."""
    out = tmp_path / "smoke"
    command = [sys.executable, "-m", "monai_kd", "study"]
    run = [*command, "run", str(BUNDLE / "studies" / "smoke.yaml"), "--jobs", "2"]
    run += ["--dataset-dir", str(data), "--output-dir", str(out)]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL) as study:
        while not list(out.glob("*/*/evaluation/summary.json")) and study.poll() is None:
            time.sleep(0.1)
        study.kill()
    assert study.returncode == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/evaluation/summary.json")}
    rows = {row.name for row in read_plan(BUNDLE / "studies" / "smoke.yaml").rows}
    assert 0 < len(before) < len(rows)
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    subprocess.run([*command, "report", str(out)], check=True, stdout=subprocess.DEVNULL)
    with (out / "report" / "scores.csv").open(newline="") as file:
        assert {row["model"] for row in csv.DictReader(file)} == rows
    assert f"{len(rows)} of {len(rows)} runs have finished" in (out / "report" / "report.html").read_text()


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]


def test_the_report_shows_all_that_has_finished(finished):
    _, out, _, _ = finished
    folder, *_ = write_report(out)
    names = {"report.html", "report.md", "scores.csv", "costs.csv", "contours.png", "parameters.png"}
    assert names == {path.name for path in folder.iterdir()}
    for name in ("scores.csv", "costs.csv"):
        with (folder / name).open(newline="") as file:
            assert [row["model"] for row in csv.DictReader(file)] == ["Teacher", "Student", "L"]
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "http:" not in page and "https:" not in page and "@import" not in page and "url(" not in page
    links = Links()
    links.feed(page)
    assert len(links.found) == 2 and all(link.startswith("data:image/png;base64,") for link in links.found)
    assert "A &lt;study&gt;" in page
    for content in (page, text):
        assert "3 of 5 runs have finished" in content and "Not finished in any split: Broken, Orphan" in content
        assert "They include no test image" in content
        assert f"1 of {os.cpu_count()} cores, torch {torch.__version__}" in content
    picture = np.asarray(Image.open(folder / "contours.png").convert("RGB")).astype(int)
    assert ((picture[..., 1] > 180) & (picture[..., 0] < 60)).any()  # the ground truth's contour


def test_costs_are_those_of_the_networks(finished):
    _, out, _, _ = finished
    folder, *_ = write_report(out)
    with (folder / "costs.csv").open(newline="") as file:
        costs = {row["model"]: row for row in csv.DictReader(file)}
    for row, cost in costs.items():
        weights = torch.load(out / "0-0" / row / "model.pt", weights_only=True)
        assert int(cost["parameters"].replace(",", "")) == sum(value.numel() for value in weights.values())
    assert costs["L"]["ms"] == costs["Student"]["ms"]  # one network, measured once


def test_no_report_without_a_study(tmp_path, finished):
    with pytest.raises(FileNotFoundError, match="No study in"):
        write_report(tmp_path)
    for name in ("study.json", "splits.json"):
        shutil.copy(finished[1] / name, tmp_path)
    with pytest.raises(ValueError, match=r"No run of .* has finished yet"):
        write_report(tmp_path)
