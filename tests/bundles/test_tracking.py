# SPDX-License-Identifier: Apache-2.0
"""A training keeps its config next to its results, and logs its losses to MLflow and TensorBoard."""

import json
import shutil

import pytest
import torch
from monai.bundle import ConfigWorkflow

from tests.bundles.conftest import CLASSIFICATION, ROOT, run_bundle


def weights(workflow):
    return workflow.network_def.state_dict().values()


def test_a_training_is_repeated_from_its_folder(phantoms, teacher, tmp_path):
    arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "output_dir": str(tmp_path / "run")}
    first = run_bundle(
        ["train", "methods/logits_and_hidden"], checkpoint=str(tmp_path / "run" / "model.pt"), seed=3, **arguments
    )
    copied = tmp_path / "run" / "train_config.json"
    assert {"seed": 3, "max_epochs": 1}.items() <= json.loads(copied.read_text()).items()
    shutil.move(copied, tmp_path / "train_config.json")
    shutil.rmtree(tmp_path / "run")
    again = ConfigWorkflow(config_file=str(tmp_path / "train_config.json"), workflow_type="train", logging_file=False)
    again.initialize()
    again.run()
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert copied.is_file()


def test_a_refused_run_leaves_the_former_config(phantoms, tmp_path):
    arguments = {"dataset_dir": phantoms, "output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    run_bundle("train_student", **arguments)
    former = (tmp_path / "train_config.json").read_text()
    with pytest.raises(RuntimeError):
        run_bundle("train_student", **arguments, seed=5)
    assert (tmp_path / "train_config.json").read_text() == former


def test_an_evaluation_keeps_its_config(phantoms, student, tmp_path):
    run_bundle("evaluate", dataset_dir=phantoms, checkpoint=student, output_dir=str(tmp_path))
    assert json.loads((tmp_path / "evaluate_config.json").read_text())["checkpoint"] == student


def test_mlflow_has_losses_metrics_and_the_config(phantoms, teacher, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    files = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    run_bundle("train", dataset_dir=phantoms, teacher_checkpoint=teacher, max_epochs=2, use_mlflow=True, **files)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    (stored,) = client.search_runs([client.get_experiment_by_name(ROOT.name).experiment_id])
    assert stored.info.run_name == str(tmp_path) and stored.info.status == "FINISHED"
    assert stored.data.params["max_epochs"] == "2"
    for metric in ("loss", "supervised_loss", "logits", "val_mean_dice"):
        assert [entry.step for entry in client.get_metric_history(stored.info.run_id, metric)], metric
    assert [artifact.path for artifact in client.list_artifacts(stored.info.run_id)] == ["train_config.json"]


@pytest.mark.parametrize("root", [ROOT, CLASSIFICATION], ids=lambda root: root.name)
def test_every_training_has_both_switches(root):
    for path in (root / "configs").glob("train*.json"):
        config = json.loads(path.read_text())
        assert config["use_mlflow"] is False and "use_tensorboard" in config
        for handlers in (config["train"]["handlers"], config["validate"]["handlers"]):
            targets = [handler["_target_"] for handler in handlers if isinstance(handler, dict)]
            assert {"MLFlowHandler", "TensorBoardStatsHandler"} <= set(targets), path
        (logged,) = (handler for handler in config["train"]["handlers"] if handler["_target_"] == "MLFlowHandler")
        assert logged["experiment_name"] == root.name


def test_neither_store_is_made_unasked(phantoms, teacher, tmp_path):
    files = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    run_bundle("train", dataset_dir=phantoms, teacher_checkpoint=teacher, **files)
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".lock")}  # this process holds it
    assert names == {"last.pt", "model.pt", "train_config.json"}


def test_tensorboard_has_the_losses(phantoms, teacher, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    files = {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    run_bundle("train", dataset_dir=phantoms, teacher_checkpoint=teacher, use_tensorboard=True, **files)
    found = set()
    for path in tmp_path.glob("events.*"):
        accumulator = events.EventAccumulator(str(path))
        accumulator.Reload()
        found |= set(accumulator.Tags()["scalars"])
    assert {"loss", "supervised_loss", "logits", "val_mean_dice"} <= found
