# SPDX-License-Identifier: Apache-2.0
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.commands.study.progress import StudyProgress
from monai_kd.study.running.runs import Run
from monai_kd.study.running.scheduling import State

pytest.importorskip("yaml")


@pytest.mark.parametrize("arguments", [["study"], ["study", "run"], ["study", "report"], ["study", "groups"]])
def test_help_teaches(arguments):
    result = CliRunner().invoke(command_line.app, [*arguments, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output
    assert len(arguments) == 1 or "Example" in result.output


@pytest.mark.parametrize("options", [["--dataset_dir", "--output_dir"], ["--dataset-dir", "--output-dir"]])
def test_user_errors_are_one_line(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["monai_kd", "study", "run", "no.yaml", options[0], "x", options[1], str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    printed = capsys.readouterr().err
    assert end.value.code == 1 and "Error: No study 'no.yaml'" in printed and "Traceback" not in printed


def test_progress_tells_what_runs_and_what_ended(tmp_path):
    runs = [Run(name, "0-0", tmp_path / name, {}) for name in ("Teacher", "Student", "L")]
    (tmp_path / "L").mkdir()
    (tmp_path / "L" / "log.txt").write_text("Epoch: 3/60, Iter: 7/7 -- loss: 0.5\n")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with StudyProgress(console) as progress:
        progress(State(skipped=runs[:1], running=runs[2:], failed={runs[1]: "why"}))
    text = screen.getvalue()
    assert "0-0/Student failed" in text and "0-0/L" in text and "3/60" in text and "2/3" in text
    assert text.count("0-0/Student failed") == 1


def test_a_study_that_begins_nothing_leaves_no_bar():
    screen = io.StringIO()
    with pytest.raises(ValueError), StudyProgress(Console(file=screen, width=120)):
        raise ValueError
    assert not screen.getvalue().strip()


def test_a_stopped_study_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("monai_kd.study.run_study", stopped)
    rows = "rows: {Teacher: {train: [a]}, Student: {train: [b]}}\n"
    (tmp_path / "study.yaml").write_text(f"bundle: .\n{rows}")
    command = ["monai_kd", "study", "run", str(tmp_path / "study.yaml"), "--dataset-dir", "d", "--output-dir", "o"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 130
    assert "".join(capsys.readouterr().err.splitlines()) == "Stopped. Give the same command again to continue."


def test_numbers_given_take_the_place_of_the_studys(tmp_path, monkeypatch):
    plans = []
    monkeypatch.setattr("monai_kd.study.run_study", lambda plan, *rest: plans.append(plan) or State())
    rows = "rows: {Teacher: {train: [a]}, Student: {train: [b]}}\n"
    (tmp_path / "study.yaml").write_text(f"bundle: .\nsplits: 2\nsettings: {{labels: 20, fold: 1}}\n{rows}")
    command = ["study", "run", str(tmp_path / "study.yaml"), "--dataset_dir", "d", "--output_dir", "o"]
    for options in ([], ["--splits", "1", "--seeds", "3", "--images", "9", "--set", "labels=40"]):
        result = CliRunner().invoke(command_line.app, [*command, *options])
        assert result.exit_code == 0, result.output
    assert [(plan.splits, plan.seeds, plan.images) for plan in plans] == [(2, (0,), None), (1, (0, 1, 2), 9)]
    assert [plan.settings for plan in plans] == [{"labels": 20, "fold": 1}, {"labels": 40, "fold": 1}]
