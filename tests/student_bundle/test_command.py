# SPDX-License-Identifier: Apache-2.0
import json
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.student_bundle import bundle_draft, training_commands
from monai_kd.student_bundle.teacher.teacher_bundle import read_teacher


def call(monkeypatch, zoo, *options, bundle="ct"):
    words = ["distill", "--teacher", str(zoo / bundle), "--student", str(zoo / "student.json")]
    words += ["--dataset-dir", str(zoo / f"{bundle}_data"), *map(str, options)]
    result = CliRunner().invoke(command_line.app, words)
    if result.exit_code:
        raise result.exception
    return result.output


def test_help_teaches():
    result = CliRunner().invoke(command_line.app, ["distill", "--help"])
    assert result.exit_code == 0 and "Example" in result.output and "--pairs" in result.output


def test_pairs_are_shown_edited_and_kept(zoo, tmp_path, monkeypatch):
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import json, sys\nfile = sys.argv[1]\npairs = json.load(open(file))\njson.dump(pairs[:1], open(file, 'w'))\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    monkeypatch.delenv("VISUAL", raising=False)
    new = tmp_path / "new"
    output = call(monkeypatch, zoo, "--output-dir", new, "--no-run", "--edit", "--set", "val_interval=3")
    for text in (
        "Pairs of layers",
        "model.1.submodule.0",
        "encoder 8×8×8",
        "6 → 8",
        "run train --bundle",
        "--method hidden",
        "run inference --bundle",
    ):
        assert text in output
    hidden = json.loads((new / "configs" / "methods" / "hidden.json").read_text())["pathways"]["hidden"]
    assert hidden["student_layer"] == ["encoder.levels.0"] and hidden["teacher_layer"] == ["model.0"]
    assert json.loads((new / "configs" / "train.json").read_text())["val_interval"] == 3

    again = call(monkeypatch, zoo, "--output-dir", new, "--no-run", "--edit", "--set", "val_interval=3")
    assert "was written before: its pairs stay, and --edit opens nothing" in again
    pairs = tmp_path / "pairs.json"
    pairs.write_text('[{"student": "encoder", "teacher": "model.0"}]')
    for options, message in (
        (["--set", "val_interval=3", "--method", "logits_mse"], 'another method: "logits_kl" there, "logits_mse" here'),
        (["--set", "val_interval=2"], "another settings"),
        (["--set", "val_interval=3", "--pairs", pairs], "another pairs"),
    ):
        with pytest.raises(ValueError, match=message):
            call(monkeypatch, zoo, "--output-dir", new, "--no-run", *options)


def test_a_config_of_the_same_name_is_another_config(ct, zoo, tmp_path, monkeypatch):
    options = ["--output-dir", tmp_path / "new", "--no-run", "--config", ct / "configs" / "train.json", "--config"]
    for place, interval in (("a", 2), ("b", 3)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "short.json").write_text(json.dumps({"val_interval": interval}))
    call(monkeypatch, zoo, *options, tmp_path / "a" / "short.json")
    assert "was written before." in call(monkeypatch, zoo, *options, tmp_path / "a" / "short.json")
    with pytest.raises(ValueError, match=r"was made with another configs: .*short\.json.* there, .*short\.json.* here"):
        call(monkeypatch, zoo, *options, tmp_path / "b" / "short.json")


def test_the_teacher_is_read_once(zoo, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(bundle_draft, "read_teacher", lambda *words: read.append(words) or read_teacher(*words))
    call(monkeypatch, zoo, "--output-dir", tmp_path / "new", "--no-run")
    assert len(read) == 1


def test_a_training_that_fails_can_be_continued(zoo, tmp_path, monkeypatch):
    started = []

    def run(words, check):
        started.append(words)
        return SimpleNamespace(returncode=len(started) % 2)

    monkeypatch.setattr(training_commands.subprocess, "run", run)
    options = ["--output-dir", tmp_path / "new", "--method", "hidden"]
    with pytest.raises(ValueError, match=r"ended with status 1.*run the same command again"):
        call(monkeypatch, zoo, *options)
    assert "was written before" in call(monkeypatch, zoo, *options)
    assert started[0] == started[1]
    assert started[0][-4:] == ["--method", "hidden", "--dataset-dir", str(zoo / "ct_data")]


def test_nothing_of_others_is_overwritten(zoo, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="did not write"):
        call(monkeypatch, zoo, "--output-dir", tmp_path, "--no-run")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_an_editor(zoo, tmp_path, monkeypatch):
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="--pairs FILE"):
        call(monkeypatch, zoo, "--output-dir", tmp_path / "new", "--no-run", "--edit")
    assert not (tmp_path / "new").exists()
