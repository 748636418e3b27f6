# SPDX-License-Identifier: Apache-2.0
"""A run refuses to overwrite what it reads, and to work where another run works, before anything starts."""

import json
import os
import subprocess
import sys

import pytest
from monai.bundle import ConfigWorkflow

from monai_kd.utils.messages import first_cause
from tests.bundles.conftest import CLASSIFICATION, ROOT, tiny

TRAININGS = ("train", "train_student", "train_teacher", "train_autoencoder")
CONFIGS = [
    (root, name)
    for root in (ROOT, CLASSIFICATION)
    for name in (*TRAININGS, "evaluate", "inference")
    if (root / "configs" / f"{name}.json").is_file()
]


def refusal(root, config, **places):
    """The message with which a config ends before it is run."""
    workflow = ConfigWorkflow(
        config_file=str(root / "configs" / f"{config}.json"),
        workflow_type="train" if config in TRAININGS else "infer",
        logging_file=False,
        bundle_root=str(root),
        **{
            **{
                key: value
                for key, value in tiny([config], root).items()
                if key in (root / "configs" / f"{config}.json").read_text()
            },
            **{key: str(value) for key, value in places.items()},
        },
    )
    with pytest.raises(Exception) as error:
        workflow.initialize()
    return str(first_cause(error.value, (ValueError,)))


@pytest.mark.parametrize(("root", "name"), CONFIGS, ids=lambda value: getattr(value, "name", value))
def test_every_config_takes_its_places_first(root, name):
    config = json.loads((root / "configs" / f"{name}.json").read_text())
    first = next(line for line in config["initialize"] if "check_arguments" not in line and line != "$@processes")
    assert "claim_outputs" in first
    paths = {key for key in config if key.endswith(("_dir", "_file", "checkpoint"))} - {"output_dir"}
    assert paths - {"checkpoint"} <= {*config["inputs"]}
    assert "checkpoint" in config["output_files" if name in TRAININGS else "inputs"]


@pytest.mark.parametrize("root", [ROOT, CLASSIFICATION], ids=lambda root: root.name)
def test_a_training_does_not_overwrite_its_teacher(root, tmp_path):
    (tmp_path / "teacher.pt").write_text("weights")
    (tmp_path / "link.pt").symlink_to(tmp_path / "teacher.pt")
    os.link(tmp_path / "teacher.pt", tmp_path / "hard.pt")
    places = {"dataset_dir": tmp_path / "data", "output_dir": tmp_path / "runs"}
    for name in ("teacher.pt", "link.pt", "hard.pt"):
        told = refusal(root, "train", checkpoint=tmp_path / name, teacher_checkpoint=tmp_path / "teacher.pt", **places)
        assert told.startswith("checkpoint and teacher_checkpoint are ") and "\n" not in told
    assert (tmp_path / "teacher.pt").read_text() == "weights"
    told = refusal(root, "train_student", checkpoint=tmp_path / "runs" / "last.pt", **places)
    assert told.startswith("checkpoint and last.pt are both")


def test_nothing_is_written_into_the_data(phantoms, student):
    for name in ("evaluate", "inference"):
        told = refusal(ROOT, name, checkpoint=student, dataset_dir=phantoms, output_dir=f"{phantoms}/masks")
        assert f"lies in dataset_dir '{phantoms}'" in told


def test_two_trainings_in_one_folder(tmp_path, phantoms):
    code = "import sys; from monai_kd.utils import claim_outputs; claim_outputs(sys.argv[1]); print(1, flush=True)"
    code += "; input()"
    command = [sys.executable, "-c", code, str(tmp_path / "runs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "1\n"
        places = {"checkpoint": tmp_path / "model.pt", "dataset_dir": phantoms, "output_dir": tmp_path / "runs"}
        told = refusal(ROOT, "train_student", **places)
        assert f"runs' is being worked on by another process (process {other.pid} on " in told
        other.communicate("\n")
