# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.phantom import PhantomSettings, draw_phantom, phantom


def run(*arguments):
    return CliRunner().invoke(command_line.app, ["data", "phantom", *map(str, arguments)])


def rows(out):
    return list(load_workbook(out / "DatasetB.xlsx").worksheets[0].iter_rows(values_only=True))


def test_without_options_it_writes_the_plain_phantoms(tmp_path):
    result = run("--output-dir", tmp_path / "out", "--count", 2, "--seed", 5)
    assert result.exit_code == 0 and "2 images in" in result.output
    for index in (1, 2):
        image, mask, _ = phantom(index, seed=5)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "original" / f"00000{index}.png")), image)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "GT" / f"00000{index}.png")) > 0, mask)
    assert rows(tmp_path / "out")[0] == ("Image", "Type")


def test_every_option_reaches_the_pictures(tmp_path):
    options = ["--probe", "curved", "--scanner", "vintage", "--depth", 50, "--gain", 3, "--noise", 5]
    options += ["--dynamic-range", 70, "--normal-fraction", 0.5, "--margins"]
    assert run("--output-dir", tmp_path / "out", "--count", 4, *options).exit_code == 0
    settings = PhantomSettings("curved", "vintage", 50, 3, 5, 70, 0.5, True)
    header, *table = rows(tmp_path / "out")
    assert header == ("Image", "Type", "Height (mm)", "Width (mm)", "Left", "Top", "Right", "Bottom")
    for index, record in enumerate(read_dataset(tmp_path / "out"), start=1):
        drawn = draw_phantom(index, settings=settings)
        loaded = LoadUltrasoundd()(record)
        assert np.array_equal(loaded["image"][0].numpy().T, drawn.image)
        assert np.array_equal(loaded["label"][0].numpy().T, drawn.mask)
        assert record["pathology"] == drawn.pathology.lower()
        assert table[index - 1][2:] == pytest.approx((*drawn.spacing, *drawn.box))
    assert "Normal" in {row[1] for row in table}


def test_volumes(tmp_path):
    result = run("--output-dir", tmp_path / "out", "--volumes", "--count", 1)
    assert result.exit_code == 0 and "1 volumes in" in result.output
    loaded = LoadUltrasoundd(spatial_dims=3)(read_dataset(tmp_path / "out")[0])
    assert loaded["image"].shape == loaded["label"].shape == (1, 96, 96, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--probe", "convex"], "Known: linear, curved"),
        (["--scanner", "siemens"], "Known: crisp, smooth, vintage, handheld"),
        (["--depth", "5"], "20 to 80 mm, got 5"),
        (["--normal-fraction", "2"], "0 to 1, got 2"),
        (["--volumes", "--probe", "curved"], "Leave out probe, depth and margins"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.setattr("sys.argv", ["monai_kd", "data", "phantom", "--output-dir", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    printed = capsys.readouterr().err
    assert end.value.code == 1 and "Error: " in printed and message in printed and "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_help_shows_what_to_type():
    printed = run("--help").output
    for part in ("Usage", "--scanner crisp", "--volumes", "--normal-fraction", "vintage"):
        assert part in printed
