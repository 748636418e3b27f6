# SPDX-License-Identifier: Apache-2.0
"""A small data set and a tiny teacher, shared by the bundle's tests."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow

from monai_kd.phantom import write_phantoms

ROOT = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation"
CLASSIFICATION = ROOT.with_name("breast_ultrasound_classification")


def unet(*channels: int) -> dict[str, Any]:
    """The definition of a teacher like the paper's, of any size."""
    return {
        "_target_": "UNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 2,
        "channels": list(channels),
        "strides": [2] * (len(channels) - 1),
        "num_res_units": 2,
        "norm": "INSTANCE",
    }


TINY = {
    "spatial_size": [32, 32],
    "teacher_def": unet(4, 4, 6, 6),
    "student_channels": [2, 4, 4],
    "max_epochs": 1,
    "batch_size": 4,
    "device": "$torch.device('cpu')",
    "use_tensorboard": False,
    "quiet": True,
}


def tiny(configs: list[str], root: Path) -> dict[str, Any]:
    """``TINY`` for a config: an overlay keeps its own teacher, and a classifier's teacher has only channels."""
    values = copy.deepcopy(TINY)  # which a run may change
    files = [root / "configs" / f"{name}.json" for name in configs[1:] if name != "teacher"]
    if root.name == CLASSIFICATION.name:
        values["teacher_channels"] = values.pop("teacher_def")["channels"]
    elif any("teacher_def" in json.loads(file.read_text()) for file in files):
        del values["teacher_def"]
    return values


def started(configs: list[str], root: Path = ROOT, **arguments: Any) -> ConfigWorkflow:
    """A config of a bundle and its overlays, initialized."""
    workflow = ConfigWorkflow(
        config_file=[str(root / "configs" / f"{name}.json") for name in configs],
        workflow_type="train" if configs[0].startswith("train") else "infer",
        logging_file=False,
        bundle_root=str(root),
        **arguments,
    )
    workflow.initialize()
    return workflow


def run_bundle(config: str | list[str], root: Path = ROOT, **arguments: Any) -> ConfigWorkflow:
    """Initialize, check, run and finalize a config of a bundle, as the Model Zoo's checks do."""
    configs = [config] if isinstance(config, str) else config
    workflow = started(configs, root, **{**tiny(configs, root), **arguments})
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    return workflow


def run_classification(config: str | list[str], **arguments: Any) -> ConfigWorkflow:
    """``run_bundle`` of the classification bundle, whose networks have four stages."""
    return run_bundle(config, CLASSIFICATION, **{"student_channels": [2, 4, 4, 6], **arguments})


def start_two_processes(config: list[str], root: Path = ROOT, **arguments: Any) -> subprocess.CompletedProcess[str]:
    """
    Run a training config under torchrun as two processes, of the CPU unless ``device`` is None; wait until all ended.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = [str(root / "configs" / f"{name}.json") for name in (*config, "multi_gpu_train")]
    there = ConfigParser.load_config_files(names)
    given = {
        **{key: value for key, value in tiny(config, root).items() if key in there},
        "bundle_root": root,
        **arguments,
    }
    del given["quiet"], given["use_tensorboard"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    command += ["-m", "monai.bundle", "run", "--config_file", str(names)]
    command += [part for key, value in given.items() if value is not None for part in (f"--{key}", str(value))]
    here = os.pathsep.join(filter(None, [str(ROOT.parents[1]), os.environ.get("PYTHONPATH")]))  # for handlers of tests
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": here}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=900)


def run_two_processes(config: list[str], root: Path = ROOT, **arguments: Any) -> None:
    """``start_two_processes``, both of which must end well."""
    run = start_two_processes(config, root, **arguments)
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixteen phantoms in Dataset_A's layout."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(folder, count=16)
    return str(folder)


@pytest.fixture(scope="session")
def teacher(phantoms: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of a tiny teacher, trained by the bundle."""
    folder = tmp_path_factory.mktemp("teacher")
    run_bundle("train_teacher", dataset_dir=phantoms, output_dir=str(folder), checkpoint=str(folder / "teacher.pt"))
    return str(folder / "teacher.pt")


@pytest.fixture(scope="session")
def student(phantoms: str, teacher: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of a tiny student, distilled by the bundle."""
    folder = tmp_path_factory.mktemp("student")
    run_bundle(
        "train",
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        output_dir=str(folder),
        checkpoint=str(folder / "model.pt"),
    )
    return str(folder / "model.pt")


@pytest.fixture(scope="session")
def class_teacher(phantoms: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of a tiny teacher, trained by the classification bundle."""
    folder = tmp_path_factory.mktemp("class_teacher")
    files = {"output_dir": str(folder), "checkpoint": str(folder / "teacher.pt")}
    run_classification("train_teacher", dataset_dir=phantoms, **files)
    return files["checkpoint"]


@pytest.fixture(scope="session")
def class_student(phantoms: str, class_teacher: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of a tiny student, distilled by the classification bundle."""
    folder = tmp_path_factory.mktemp("class_student")
    files = {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}
    run_classification("train", dataset_dir=phantoms, teacher_checkpoint=class_teacher, **files)
    return files["checkpoint"]
