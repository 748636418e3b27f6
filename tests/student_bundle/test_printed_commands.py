# SPDX-License-Identifier: Apache-2.0
"""Every printed command runs unchanged, for all kinds of teacher's configs."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from fire.parser import DefaultParseValue

from monai_kd.student_bundle import training_commands
from tests.student_bundle.zoo_bundles import edit


def call(words, folder):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def place(zoo, tmp_path):
    """A folder with a bundle that names two files of weights, validates seldom and needs the slash; and its data."""
    shutil.copytree(zoo / "ct", tmp_path / "its teacher")
    shutil.copytree(zoo / "ct_data", tmp_path / "my data")
    shutil.copy(zoo / "student.json", tmp_path)
    ct = tmp_path / "its teacher"
    edit(ct, "train", val_interval=5, data_list_file_path="$@dataset_dir + 'dataset.json'")
    edit(ct, "train", validate__handlers__2__key_metric_filename="latest.pt")
    edit(ct, "inference", datalist="$list(sorted(glob.glob(@dataset_dir + 'imagesTs/*.nii.gz')))")
    edit(ct, "inference", checkpointloader__load_path="$@bundle_root + '/models/tuned.pt'")
    (ct / "models" / "model.pt").rename(ct / "models" / "tuned.pt")
    return tmp_path


def test_each_runs_as_printed(place):
    words = ["-m", "monai_kd", "distill", "--teacher", "its teacher", "--student", "student.json", "--max-epochs", "1"]
    words += [
        "--dataset-dir",
        "my data/",
        "--output-dir",
        "the student",
        "--teacher-checkpoint",
        "its teacher/models/tuned.pt",
    ]
    status, said, errors = call([*words, "--yes", "--no-run"], place)
    assert status == 0, errors
    printed = re.findall(r"^(\S.*):\n  python (.+)$", said, re.M)
    assert [name.split(" (")[0] for name, _ in printed] == ["Training", "Training", "Evaluation", "Inference"]
    for name, command in printed:
        status, _, errors = call(shlex.split(command), place)
        assert status == 0, f"{name}: {errors[-2000:]}"
    models = {str(path.relative_to(place / "the student")) for path in (place / "the student").rglob("*.pt")}
    assert models >= {"models/model.pt", "models/teacher.pt", "models/hidden/model.pt"}
    assert not any("latest" in name or "tuned" in name for name in models)
    assert len(list((place / "the student" / "eval").rglob("*_trans.nii.gz"))) == 1
    inference = shlex.split(printed[-1][1])
    for words in (["--student-chekpoint", "x.pt"], ["--student-checkpoint", "the student/models/none.pt"]):
        status, said, errors = call([*inference, *words], place)
        assert status != 0 and words[words[0] == "--student-checkpoint"].strip("-").replace("-", "_") in said + errors


@pytest.mark.parametrize("folder", ["2024", "1e3", "None", "a,b", "it's", "two words", "c$d", "plain/"])
def test_a_folder_of_any_name_stays_a_text(folder):
    command = training_commands.commands(
        training_commands.Path("new"), folder, "logits_kl", True, ["train", "evaluate"]
    )["Evaluation"]
    words = shlex.split(command)
    value = words[words.index("--dataset-dir") + 1]
    assert DefaultParseValue(value) == folder
    assert words[words.index("--overlay") + 1] == "evaluate"


def test_errors_are_one_line(place):
    words = ["-m", "monai_kd", "distill", "--teacher", "its teacher", "--student", "student.json", "--no-run"]
    words += [
        "--dataset-dir",
        "my data",
        "--output-dir",
        "the student",
        "--teacher-checkpoint",
        "its teacher/models/tuned.pt",
    ]
    status, said, errors = call(words, place)
    assert status == 1 and "Traceback" not in said + errors
    (line,) = [line for line in (said + errors).splitlines() if line.startswith("Error")]
    assert "without a slash, add one: '" in line and not (place / "the student").exists()
    assert json.loads((place / "its teacher" / "configs" / "train.json").read_text())["val_interval"] == 5
