# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd import demo

BUNDLE = str(Path(__file__).parents[1] / "bundles" / "breast_ultrasound_segmentation")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "PHANTOMS", 16)
    monkeypatch.setattr(demo, "SETTINGS", {"spatial_size": [32, 32], "student_channels": [2, 4]})
    monkeypatch.setattr(demo, "TRAINING", {"labels": 4, "steps_per_epoch": 1, "use_tensorboard": False})


def test_demo_ends_with_a_table_and_a_picture_and_is_the_same_again(small, tmp_path):
    def run(folder):
        arguments = ["demo", "--output-dir", str(tmp_path / folder), "--bundle", BUNDLE, "--max-epochs", "1"]
        result = CliRunner().invoke(command_line.app, arguments, catch_exceptions=False)
        assert "Training: Student distilled, 1 epochs …" in result.output.split("Contours")[0]  # not a terminal
        assert "With 4 labels, distillation" in " ".join(result.output.split("Contours")[1].split())
        rows = [line.split("│") for line in result.output.splitlines() if "│" in line]
        return {row[1].strip(): [cell.strip() for cell in row[2:6]] for row in rows}

    table = run("first")
    assert list(table) == ["Teacher", "Student alone", "Student distilled"]
    assert table["Teacher"][1] == "1/1"
    assert table["Student alone"][0] == table["Student distilled"][0]
    picture = np.asarray(Image.open(tmp_path / "first" / "report.png"))
    assert picture.std() > 10
    assert run("second") == table  # the same seed, the same table
    assert run("first") == table  # finished runs are used again


def test_user_errors_are_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    for arguments, message in (
        (["data", "phantom", "--output-dir", str(tmp_path / "full")], "full"),
        (["demo", "--bundle", str(tmp_path)], "is not a bundle"),
    ):
        monkeypatch.setattr("sys.argv", ["monai_kd", *arguments])
        with pytest.raises(SystemExit) as end:
            command_line.main()
        printed = capsys.readouterr().err
        assert end.value.code == 1
        assert "Error: " in printed and message in printed and "Traceback" not in printed


def test_help_teaches(capsys):
    for arguments in ([], ["data"], ["data", "phantom"], ["demo"]):
        result = CliRunner().invoke(command_line.app, [*arguments, "--help"])
        assert result.exit_code == 0 and "Usage" in result.output
