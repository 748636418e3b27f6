# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd run``: short names, the same results as MONAI's command, one line for an error."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.command_line import place_weights, read_command
from monai_kd.bundle.finding import find_bundle
from monai_kd.commands.run.evaluation_command import evaluation_command
from monai_kd.commands.run.run import _arguments, _show, _with_log
from monai_kd.commands.run.run_errors import told
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import unet

BUNDLE = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation"
CONFIGS = BUNDLE / "configs"
TINY = [
    "--spatial_size",
    "[32,32]",
    "--teacher_def",
    str(unet(4, 4, 6, 6)),
    "--batch_size",
    "4",
    "--device",
    "cpu",
    "--use_tensorboard",
    "False",
]
WHERE = ["--dataset_dir", "data", "--output_dir", "out", "--checkpoint", "out/model.pt", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    write_phantoms(path / "data", count=12)
    return path


def python(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(BUNDLE.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)


def run(folder, *words):
    return python(folder, "monai_kd", "run", *words)


def files(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def content(path):
    return torch.load(path, weights_only=False) if path.suffix == ".pt" else path.read_bytes()


def test_the_same_results_as_monais_command(folder, tmp_path):
    from tests.helpers import assert_identical

    names = ("train_teacher", "views/shared")
    monais = python(
        tmp_path,
        *("monai.bundle", "run", "--config_file", str([str(CONFIGS / f"{name}.json") for name in names])),
        *("--bundle_root", BUNDLE, "--max_epochs", 2, *TINY, *WHERE, "--dataset_dir", folder / "data"),
    )
    assert monais.returncode == 0, monais.stderr
    (tmp_path / "out").rename(tmp_path / "monais")
    words = ["train_teacher", "--bundle", BUNDLE, "--views", "shared", "--max_epochs", 2, *TINY, *WHERE[2:]]
    ours = run(tmp_path, *words, "--dataset_dir", folder / "data")
    assert ours.returncode == 0 and not ours.stderr, ours.stderr
    lines = [re.sub(r"\d+\.\d+", "N", line) for line in ours.stdout.splitlines() if line.strip()]
    best = " (best)" if lines[2].endswith("(best); N s") else ""  # the second epoch may be the better one
    first, second = "epoch 1/2: loss N; val_mean_dice N (best); N s", f"epoch 2/2: loss N; val_mean_dice N{best}; N s"
    ends = [second, "Weights: out/model.pt", "Results: out"]
    assert lines[0] == "Training: 8 labelled, 2 validation images; network N M parameters"
    assert lines[1].startswith(f"{first}, at most ") and lines[2:-1] == ends
    data, device = f"--dataset-dir {folder / 'data'}", "--device cpu"  # the sizes are in the checkpoint
    next_run = f"run evaluate --bundle {BUNDLE} {data} {device} --checkpoint out/model.pt --output-dir out/evaluation"
    assert lines[-1] == f"Evaluate: python -m monai_kd {next_run}"
    expected, found = files(tmp_path / "monais"), files(tmp_path / "out")
    assert set(found) == set(expected) >= {"model.pt", "last.pt", "train_config.json"}
    for name in [name for name in expected if "lock" not in name]:  # the log line with the user and the time
        assert_identical(content(found[name]), content(expected[name]), name)
    evaluated = python(tmp_path, *shlex.split(lines[-1])[3:])
    assert evaluated.returncode == 0 and "\nWeights: out/model.pt\n" in evaluated.stdout, evaluated.stderr


REFUSED = {
    "train --max_epoch 3": "--max-epoch: no config of this run has the id 'max_epoch'",
    "train --resume no": "--resume must be True or False, got 'no'",
    "train --supervised_weight -1": "--supervised-weight must be a number from 0, got -1",
    "train --train#trainr#max_epochs 3": "Closest: --max-epochs",
    "evaluate --checkpiont x.pt": "Closest: --checkpoint",
    "trian": "No config 'trian' in '",
    "cached_teacher": "'cached_teacher' is an overlay: it has no 'teacher_def'. Write: train --overlay cached_teacher.",
    "logits_kl": "'logits_kl' is an overlay. Write: train --method logits_kl.",
    "train --method logits_lk": "No 'logits_lk' in 'methods' of the bundle. Closest: 'logits_kl'",
    "train --overlay cached": "No 'cached' among the bundle's overlays. Closest: 'cached_teacher'",
    "train --overlay mine.yaml": "No overlay 'mine.yaml'. Correct the path.",
    "mine.json": "No config 'mine.json'. Correct the path",
    "train 20": "'20' belongs to no id. Write --id 20",
    "train --seed 1 --seed 2": "--seed is given twice",
    "train --max-epochs 3 --set max_epochs=2": "'max_epochs' is given twice: as --max-epochs and by --set",
    "train --set max_epochs": "is not id=value with a JSON value",
    "train --set dataset_dir=data": """keep its quotes from the shell: --set 'dataset_dir="data"'.""",
    "--max_epochs 3 train": "The config must come first, got '--max_epochs'",
    "train --args_file none.json": "No file 'none.json'. Correct the path.",
    "train_teacher --dataset_dir nowhere --output_dir a --checkpoint a.pt": "nowhere",
    "inference --dataset_dir data --output_dir b --checkpoint b.pt": "--checkpoint: No checkpoint at 'b.pt'",
    "train --dataset_dir data --teacher_checkpoint t.pt --output_dir d": "--teacher-checkpoint: No checkpoint at",
    "train --dataset_dir data --spatial_size [65,65] --output_dir c --checkpoint c.pt": "each side of spatial_size",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items())
def test_an_error_is_one_line(folder, words, message, monkeypatch, capfd):
    from monai_kd.__main__ import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["monai_kd", "run", *words.split(), "--bundle", str(BUNDLE)])
    with pytest.raises(SystemExit) as end:
        main()
    err = capfd.readouterr().err
    assert end.value.code == 1
    assert err.startswith("Error: ") and err.count("\n") == 1 and message in err


def test_dashes_and_set_mean_the_same_ids():
    words = ["--max_epochs", "2", "--train#dataset#label-key=a-b_c", "--method", "logits_kl"]
    dashes = ["--max-epochs", "2", "--train#dataset#label_key=a-b_c", "--method=logits_kl"]
    expected = read_command("train", BUNDLE.name, [], words)
    assert expected["max_epochs"] == 2 and expected["train#dataset#label_key"] == "a-b_c"
    assert read_command("train", BUNDLE.name, [], dashes) == expected
    settings = {"max_epochs": 2, "train#dataset#label_key": "a-b_c"}
    assert _arguments("train", BUNDLE.name, [], words[-2:], settings) == expected


def test_a_hostile_checkpoint_is_one_line_without_torchs_advice(folder):
    class Hostile:
        def __reduce__(self):
            return os.system, ("touch hacked",)

    torch.save({"model": Hostile()}, folder / "hostile.pt")
    words = ["evaluate", "--bundle", BUNDLE, "--dataset_dir", "data", "--checkpoint", "hostile.pt", "--output_dir", "o"]
    ended = run(folder, *words)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "hostile.pt" in ended.stderr
    assert "weights_only" not in ended.stdout + ended.stderr and not (folder / "hacked").exists()
    traced = run(folder, *words, "--trace")
    assert (
        traced.returncode == 1 and "Traceback" in traced.stderr and traced.stderr.splitlines()[-1].startswith("Error: ")
    )


def test_evaluation_ends_with_the_scores(folder):
    from monai_kd.networks import StudentUNet

    torch.save({"model": StudentUNet(2, 1, 2, (2, 4)).state_dict()}, folder / "student.pt")
    small = ["--student_channels", "[2,4]", "--spatial_size", "[32,32]", "--device", "cpu", "--overlays", "False"]
    words = ["--bundle", BUNDLE, "--dataset_dir", "data", "--checkpoint", "student.pt", "--output_dir", "scores"]
    ended = run(folder, "evaluate", *words, *small)
    assert ended.returncode == 0, ended.stderr
    assert "dice" in ended.stdout and ended.stdout.rstrip().endswith("Weights: student.pt\nResults: scores")


@pytest.mark.parametrize("checkpoint", ["mine.pt", "$@bundle_root + '/model.pt'"])
def test_a_run_says_that_it_took_the_bundles_own_weights(tmp_path, monkeypatch, capsys, checkpoint):
    monkeypatch.chdir(tmp_path)
    Path("mine.pt").touch()
    Path("model.pt").touch()
    config = ConfigParser({"bundle_root": ".", "output_dir": "out", "checkpoint": checkpoint})
    _show(SimpleNamespace(parser=config), 0)
    told = "model.pt, the bundle's own; --checkpoint names others" if "$" in checkpoint else "mine.pt"
    assert capsys.readouterr().out == f"Weights: {told}\nResults: out\n"


def test_a_bundle_without_a_log_file_logs_as_the_shipped_ones(tmp_path):
    """Else Python itself prints what the engines log of an error, which the run tells already."""
    (tmp_path / "train.json").write_text("{}")
    arguments = {"config_file": [str(tmp_path / "train.json")]}
    assert _with_log(arguments) == {**arguments, "logging_file": str(CONFIGS / "logging.conf")}
    given = {**arguments, "logging_file": "mine.conf"}
    assert _with_log(given) == given
    (tmp_path / "args.json").write_text(json.dumps({"logging_file": "mine.conf"}))
    given = {**arguments, "args_file": str(tmp_path / "args.json")}
    assert _with_log(given) == given
    (tmp_path / "logging.conf").touch()
    assert _with_log(arguments) == arguments


def test_a_stopped_run_says_how_to_go_on(folder, tmp_path):
    from tests.helpers import children_heed_ctrl_c

    words = ["train_teacher", "--bundle", BUNDLE, *TINY, *WHERE[2:], "--dataset_dir", folder / "data"]
    environment = {**os.environ, "PYTHONPATH": str(BUNDLE.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "monai_kd", "run", *map(str, words), "--max_epochs", "10000"]
    quiet = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with children_heed_ctrl_c():
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet)
    for _ in range(1200):
        if (tmp_path / "out" / "last.pt").is_file() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err == "Stopped. Give the same command again to continue after the last complete epoch (out/last.pt).\n"


def test_without_a_config_all_are_listed(folder):
    ended = run(folder, "--bundle", "breast_ultrasound_segmentation")
    assert ended.returncode == 0, ended.stderr
    for name in [*BundleFolder(BUNDLE).config_names(), "cached_teacher", "--methods", "logits_kl"]:
        assert name in ended.stdout


def test_every_config_is_one_of_both():
    for name in ("breast_ultrasound_segmentation", "breast_ultrasound_classification"):
        bundle = BundleFolder(find_bundle(name))
        alone, overlays = bundle.config_names(), bundle.overlay_names()
        assert set(alone) >= {"train", "train_teacher", "train_student", "evaluate", "inference", "inference_stock"}
        assert set(overlays[""]) >= {"cached_teacher", "federated", "multi_gpu_train", "teacher"}
        assert not set(alone) & set(overlays[""])


def test_words_are_read_as_monai_reads_them(tmp_path, monkeypatch):
    words = "--a 1 --b=2.5 --c text --d [1,2] --e True --f None --g --noh --i -3 --j {'k':1} --l#m x --n-o 1 -p 2"
    found = read_command("train", str(BUNDLE), [], words.split())
    found.pop("config_file")
    assert found.pop("bundle_root") == str(BUNDLE)
    assert found == {
        "a": 1,
        "b": 2.5,
        "c": "text",
        "d": [1, 2],
        "e": True,
        "f": None,
        "g": True,
        "h": False,
        "i": -3,
        "j": {"k": 1},
        "l#m": "x",
        "n_o": 1,
        "p": 2,
    }


def test_overlays_are_merged_in_order_and_an_id_stays_an_id():
    words = ["--views", "shared", "--method", "fitnet", "--views", "$@x", "--network", "$@network_def"]
    found = read_command("train", str(BUNDLE), ["cached_teacher"], words)
    names = [str(Path(file).relative_to(CONFIGS)) for file in found["config_file"]]
    assert names == ["train.json", "views/shared.json", "methods/fitnet.json", "cached_teacher.json"]
    assert (found["views"], found["network"]) == ("$@x", "$@network_def")


def test_settings_of_a_file_serve_every_config(tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"bundle_root": str(BUNDLE), "max_epochs": 3, "section": "test"}))
    from monai_kd.bundle.argument_checks import check_start
    from monai_kd.bundle.running_config import Start

    for config in ("train", "evaluate"):
        found = read_command(config, None, [], ["--args_file", str(settings)])
        assert found["config_file"] == [str(CONFIGS / f"{config}.json")] and "bundle_root" not in found
        check_start(Start.of(found["config_file"], {}, str(settings)))
    settings.write_text(json.dumps({"max_epoch": 3}))
    with pytest.raises(ValueError, match="--max-epoch: no config of this run has the id"):
        check_start(Start.of([str(CONFIGS / "train.json")], {}, str(settings)))


def test_weights_lie_beside_the_results_of_their_run(tmp_path):
    def placed(config, *words):
        return place_weights(read_command(config, str(BUNDLE), [], words)).get("checkpoint")

    for config in ("train", "train_teacher", "train_student", "train_autoencoder"):
        assert placed(config, "--output-dir", "runs/mine") == str(Path("runs", "mine", "model.pt"))
        assert placed(config, "--output-dir", "runs/mine", "--checkpoint", "best.pt") == "best.pt"
        assert placed(config) is None and placed(config, "--output-dir", "$@bundle_root + '/x'") is None
    for config in ("evaluate", "inference"):  # they read it
        assert placed(config, "--output-dir", "runs/mine") is None
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"output_dir": "theirs"}))
    assert placed("train", "--args_file", str(settings)) == str(Path("theirs", "model.pt"))
    settings.write_text(json.dumps({"output_dir": "theirs", "checkpoint": "best.pt"}))
    assert placed("train", "--args_file", str(settings)) is None


@pytest.mark.parametrize(
    ("named", "placed"),
    [("mine.pt", None), ("$@output_dir + '/mine.pt'", None), ("$@bundle_root + '/models/mine.pt'", "out/model.pt")],
)
def test_an_overlays_checkpoint_wins_unless_it_is_a_place_in_the_bundle(tmp_path, named, placed):
    (tmp_path / "mine.json").write_text(json.dumps({"checkpoint": named}))
    arguments = read_command("train", str(BUNDLE), [str(tmp_path / "mine.json")], ["--output-dir", "out"])
    assert place_weights(arguments).get("checkpoint") == placed
    assert place_weights({**arguments, "checkpoint": "b.pt"})["checkpoint"] == "b.pt"


def test_the_next_command_has_what_the_checkpoint_does_not(tmp_path):
    torch.save({}, tmp_path / "model.pt")  # without a record
    config = BundleFolder(BUNDLE).config("train") | {"bundle_root": str(BUNDLE), "max_epochs": 3, "fold": 1}
    config |= {"dataset_dir": "2024", "spatial_size": [32, 32], "split_file": "a b.json"}
    words = shlex.split(evaluation_command(config, tmp_path / "model.pt", tmp_path))
    found = read_command("evaluate", str(BUNDLE), [], words[words.index("--bundle") + 2 :])
    kept = {name: config[name] for name in ("dataset_dir", "spatial_size", "split_file", "fold")}
    places = {"checkpoint": str(tmp_path / "model.pt"), "output_dir": str(tmp_path / "evaluation")}
    assert {name: found[name] for name in set(found) - {"config_file", "bundle_root"}} == {**kept, **places}
    config = BundleFolder(BUNDLE).config("train_autoencoder") | {"bundle_root": str(BUNDLE)}
    assert evaluation_command(config, tmp_path / "model.pt", tmp_path) is None


@pytest.mark.parametrize("written", [None, "$dict(checkpoint='a.pt')", ["checkpoint"], 3])
def test_a_config_whose_output_files_are_no_names(tmp_path, written):
    (tmp_path / "mine.json").write_text(json.dumps({"output_files": written}))
    arguments = {"config_file": [str(tmp_path / "mine.json")], "output_dir": "runs"}
    assert place_weights(arguments) == arguments


def test_the_first_useful_cause_is_told():
    def chain(*errors):
        try:
            try:
                raise errors[0]
            except Exception as first:
                raise errors[1] from first
        except Exception as error:
            return told(error)

    assert chain(TypeError("no such\nargument"), RuntimeError("x")) == "TypeError: no such. Give --trace to see where."
    assert "--batch-size" in chain(RuntimeError("CUDA out of memory. Tried"), RuntimeError("x"))
