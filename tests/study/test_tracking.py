# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from monai_kd.study import Plan, Row
from monai_kd.study.running.runs import Run
from monai_kd.study.running.scheduling import State
from monai_kd.study.running.tracking import MLflowTracker

mlflow = pytest.importorskip("mlflow")
PLAN = Plan("tracked", Path("bundle"), (Row("L", ("train",), arguments={"seed": 3}),), settings={"max_epochs": 2})
LOG = "Epoch[1] Metrics -- val_mean_dice: 0.5000 \nEpoch[2] Metrics -- val_mean_dice: 0.7500 \n"


@pytest.fixture
def finished(tmp_path):
    folder = tmp_path / "0-3" / "L"
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "summary.json").write_text(json.dumps({"dice": {"mean": 0.7}, "hd95": {"mean": None}}))
    (folder / "log.txt").write_text(LOG)
    return State(finished=[Run("L", "0-3", folder, {})])


def test_each_finished_run_is_logged_once(finished, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = MLflowTracker(uri, PLAN)
    tracker(finished)
    tracker(finished)
    MLflowTracker(uri, PLAN)(State(skipped=finished.finished))
    (run,) = mlflow.search_runs(experiment_names=["tracked"], output_format="list")
    assert run.info.run_name == "0-3/L"
    assert run.data.params == {"row": "L", "split": "0", "seed": "3", "max_epochs": "2"}
    assert run.data.metrics == {"test_dice": 0.7, "val_mean_dice": 0.75}
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val_mean_dice")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.75)]


def test_a_store_that_cannot_be_used_is_said_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="MLflow cannot use the store 'nonsense:"):
        MLflowTracker("nonsense://here", PLAN)
