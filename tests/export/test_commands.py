# SPDX-License-Identifier: Apache-2.0
import csv
import json
import pickle
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.networks.nets import UNet
from typer.testing import CliRunner

from monai_kd import __main__ as command_line
from monai_kd import export
from monai_kd.benchmark import latency_report as report
from monai_kd.benchmark.memory import peak_memory
from monai_kd.bundle.record import load_record, seen_images
from monai_kd.data import read_dataset
from monai_kd.export import Options, export_student, open_bundle
from monai_kd.export.graph import RawNetwork
from monai_kd.networks import StudentUNet
from monai_kd.utils.checkpoints import save_checkpoint
from tests.bundles.conftest import ROOT, unet
from tests.export.conftest import FORMS, student

SMALL = ["--set", "spatial_size=[32,32]", "--set", "student_channels=[2,4,4]"]


def run(*arguments):
    return CliRunner().invoke(command_line.app, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def recorded(checkpoint, tmp_path_factory):
    """The weights of the tiny student with the record of their training."""
    path = tmp_path_factory.mktemp("recorded") / "model.pt"
    network = {**open_bundle(ROOT).parser["network_def"], "channels": [2, 4, 4]}
    record = {"network_def": network, "spatial_size": [32, 32], "crop_margins": False}
    save_checkpoint(torch.load(checkpoint, weights_only=True)["model"], path, record)
    return path


def test_export(tmp_path, recorded):
    out = tmp_path / "out"
    result = run("export", ROOT, "--checkpoint", recorded, "--output-dir", out)
    assert result.exit_code == 0
    said = f"From the record of '{recorded}': spatial_size [32, 32], student_channels [2, 4, 4]."
    for words in (said, "onnx", "0.0", "checked on synthetic images", f"Next: python -m monai_kd benchmark {out}"):
        assert words in result.output
    assert sorted(path.name for path in out.iterdir()) == ["configs", "export.json", "models", "student.onnx"]
    config = json.loads((out / "configs" / "inference.json").read_text())
    assert config["student_channels"] == [2, 4, 4] and config["spatial_size"] == [32, 32]


def test_what_was_set_does_not_contradict_the_record(tmp_path, recorded):
    out = tmp_path / "out"
    with pytest.raises(
        ValueError, match=r"'student_channels' is \[2, 4\], but .* trained with \[2, 4, 4\]\. Leave out"
    ):
        run("export", ROOT, "--checkpoint", recorded, "--output-dir", out, "--set", "student_channels=[2,4]")
    assert not out.exists()


@pytest.mark.parametrize(("options", "name"), [([], "model.pt"), (["--network", "small"], "model_small.pt")])
def test_the_weights_that_came_along_are_the_default(options, name, tmp_path):
    out = tmp_path / "out"
    assert run("export", ROOT, *options, "--forms", "onnx,torchscript", "--output-dir", out).exit_code == 0
    shipped, exported = (
        torch.load(path, weights_only=True) for path in (ROOT / "models" / name, out / "models" / "model.pt")
    )
    assert all(torch.equal(value, exported.get("model", exported)[key]) for key, value in shipped.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "smal"], "No config 'networks/smal' in"),
        (["--forms", "onxx"], "No form 'onxx'. Closest: 'onnx'"),
        (["--forms", "int8"], "Name their folder with --dataset-dir"),
        (["--set", "spatial_size"], "is not id=value with a JSON value"),
        (["--set", "size=3"], "No id 'size'"),
        (["--set", "network_def#channels=[3,3,3]"], "holds the weights of another network"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, checkpoint, arguments, message):
    out = tmp_path / "out"
    words = ["monai_kd", "export", ROOT, "--checkpoint", checkpoint, "--output-dir", out, *SMALL, *arguments]
    monkeypatch.setattr("sys.argv", [*map(str, words)])
    with pytest.raises(SystemExit):
        command_line.main()
    printed = capsys.readouterr().err
    assert "Error: " in printed and message in printed and "Traceback" not in printed
    assert not out.exists()


def rows_of(folder):
    with (folder / "latency.csv").open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def in_this_process(load, libraries, image, threads):
    """The value in a new process."""
    assert pickle.loads(pickle.dumps(load))()(image)
    return 12.0 * threads


def test_benchmark(tmp_path, exported, images, monkeypatch):
    monkeypatch.setattr(report, "peak_memory", in_this_process)
    copy = shutil.copytree(exported.folder, tmp_path / "tiny")
    for form in set(FORMS) - {"onnx", "int8"}:
        (copy / export.FORMS[form].files[0]).unlink()
    out = tmp_path / "report"
    few = ["--rounds", 3, "--image-size", 48, "--no-peers"]
    result = run("benchmark", copy, *few, "--dataset-dir", images, "--output-dir", out)
    assert result.exit_code == 0 and "Written to" in result.output
    rows = rows_of(out)
    assert list(rows) == ["tiny, PyTorch", "tiny, ONNX", "tiny, INT8"]
    for row in rows.values():
        assert 0 < float(row["median ms"]) <= float(row["p95 ms"])
        assert float(row["images / s"]) == pytest.approx(1000 / float(row["median ms"]), rel=0.3)
        assert row["memory MB"] == "12" and float(row["file MB"]) > 0
        assert 0 < float(row["Dice %"]) < 100
    assert rows["tiny, PyTorch"]["Dice lost"] == "–"
    assert abs(float(rows["tiny, ONNX"]["Dice lost"])) < 0.05
    text = (out / "latency.md").read_text()
    assert "Every class except the background counts as lesion" in text
    assert "48×48" in text and "3 rounds" in text and "onnxruntime" in text and "| tiny, INT8 |" in text


def test_a_student_is_not_scored_on_images_of_its_training(tmp_path, recorded, images):
    known = {**load_record(recorded), "seen_images": seen_images(SimpleNamespace(data=read_dataset(images)))}
    save_checkpoint(torch.load(recorded, weights_only=True), tmp_path / "model.pt", known)
    assert run("export", ROOT, "--checkpoint", tmp_path / "model.pt", "--output-dir", tmp_path / "out").exit_code == 0
    given = ["benchmark", tmp_path / "out", "--rounds", 1, "--no-peers", "--output-dir", tmp_path / "report"]
    with pytest.raises(
        ValueError, match=r"saw \d+ of these \d+ images in its training: .*Without --dataset-dir, times"
    ):
        run(*given, "--dataset-dir", images)
    assert not (tmp_path / "report").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_memory_is_measured_in_a_fresh_process(tmp_path, exported, monkeypatch):
    def of_one_row(load, libraries, *rest):
        return peak_memory(load, libraries, *rest) if "onnxruntime" in libraries else None

    monkeypatch.setattr(report, "peak_memory", of_one_row)
    few = ["--rounds", 1, "--image-size", 1024, "--no-peers", "--output-dir", tmp_path]
    assert run("benchmark", exported.forms()["onnx"], *few).exit_code == 0
    pytorch, onnx = rows_of(tmp_path).values()
    # The image alone, in floating point and with two channels of probabilities: 12 MB.
    assert pytorch["memory MB"] == "–" and 12 < float(onnx["memory MB"]) < 300


def test_the_teacher_beside_a_network_alone(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(report, "peak_memory", in_this_process)
    small = {"spatial_size": [32, 32], "teacher_def": unet(4, 4, 6, 6)}
    torch.save(open_bundle(ROOT, ("teacher",), **small).network().state_dict(), tmp_path / "teacher.pt")
    export_student(student(), checkpoint, tmp_path / "raw", Options(raw=True))
    given = [
        "--teacher-checkpoint",
        tmp_path / "teacher.pt",
        "--bundle",
        ROOT,
        "--set",
        f"teacher_def={json.dumps(unet(4, 4, 6, 6))}",
    ]
    taken = []
    forward = RawNetwork.forward
    monkeypatch.setattr(RawNetwork, "forward", lambda self, x: taken.append(type(self.network)) or forward(self, x))
    few = ["--rounds", 1, "--no-peers", "--output-dir", tmp_path]
    assert run("benchmark", tmp_path / "raw", *given, *few).exit_code == 0
    assert list(rows_of(tmp_path)) == ["raw, PyTorch", "raw, ONNX", "teacher, PyTorch"]
    assert set(taken) == {StudentUNet, UNet}


def test_the_timed_picture_is_a_phantom_of_that_size(exported):
    image = report.timed_image(exported, 300)
    assert image.shape == (1, 1, 300, 300)
    assert np.abs(image[0, 0, :200].astype(float) - image[0, 0, 100:]).mean() > 1  # nothing is repeated


def test_the_teacher_and_the_networks_of_monai(tmp_path, exported, monkeypatch):
    monkeypatch.setattr(report, "peak_memory", lambda load, libraries, image, threads: None)
    teacher = tmp_path / "teacher.pt"
    sizes = {"spatial_size": [32, 32], "teacher_def": unet(4, 4, 6, 6)}
    torch.save(open_bundle(ROOT, ("teacher",), **sizes).network().state_dict(), teacher)
    given = [
        "--teacher-checkpoint",
        teacher,
        "--bundle",
        ROOT,
        "--set",
        "spatial_size=[32,32]",
        "--set",
        f"teacher_def={json.dumps(unet(4, 4, 6, 6))}",
    ]
    two = [exported.forms()[form] for form in ("onnx", "int8")]
    result = run("benchmark", *two, *given, "--rounds", 1, "--output-dir", tmp_path / "report")
    assert result.exit_code == 0
    rows = rows_of(tmp_path / "report")
    student = [f"{exported.folder.name}, {form}" for form in ("PyTorch", "ONNX", "INT8")]
    peers = [f"{name}, PyTorch" for name in ("BasicUNet", "UNet", "SegResNet", "FlexibleUNet")]
    assert list(rows) == [*student, "teacher, PyTorch", *peers]
    assert all(rows[name]["Dice %"] == rows[name]["memory MB"] == "–" for name in peers)
    assert "with random weights" in (tmp_path / "report" / "latency.md").read_text()


def test_benchmark_refuses_what_is_no_export(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["monai_kd", "benchmark", str(tmp_path)])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "it has no export.json" in capsys.readouterr().err


def test_students_are_told_apart(tmp_path, exported, monkeypatch, capsys):
    other = shutil.copytree(exported.folder, tmp_path / "other" / exported.folder.name)
    colors = shutil.copytree(exported.folder, tmp_path / "colors")
    report = json.loads((colors / "export.json").read_text())
    (colors / "export.json").write_text(json.dumps({**report, "input": "image (batch, 3, height, width): raw pixels"}))
    for second, message in ((other, "Two students are in folders named"), (colors, "Measure students of one task")):
        monkeypatch.setattr("sys.argv", ["monai_kd", "benchmark", str(exported.folder), str(second), "--rounds", "1"])
        with pytest.raises(SystemExit):
            command_line.main()
        assert message in capsys.readouterr().err


def test_help_shows_what_to_type():
    for command, words in (
        ("export", ("--forms", "int8", "--raw", "--set")),
        ("benchmark", ("--teacher-checkpoint", "--no-peers")),
    ):
        printed = run(command, "--help").output
        assert all(word in printed for word in ("Usage", *words))
