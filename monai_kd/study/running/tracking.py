# SPDX-License-Identifier: Apache-2.0
"""Log finished runs to an MLflow store."""

from __future__ import annotations

import re
from typing import Any

from monai_kd.study.running.plan import Plan
from monai_kd.study.running.runs import Run
from monai_kd.study.running.scheduling import State
from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import first_line

__all__ = ["MLflowTracker"]

VALIDATION = re.compile(r"Epoch\[(\d+)\] Metrics -- (\w+): ([\d.]+)")


class MLflowTracker:
    """
    Log each finished run once: its settings, the validation metric of every epoch, and the test scores.

    Only the study's own process writes to the store, so several runs at a time can share an SQLite file.

    Raises:
        ImportError: When MLflow is not installed.
        ValueError: When the store cannot be used.
    """

    def __init__(self, uri: str, plan: Plan) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError("--mlflow needs the package 'mlflow': pip install mlflow.") from error
        self._mlflow: Any = mlflow
        self._settings = {row.name: {**plan.settings, **row.arguments} for row in plan.rows}
        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_experiment(plan.name)
            known = mlflow.search_runs(output_format="list")
        except Exception as error:  # each kind of store raises its own exceptions
            raise ValueError(
                f"MLflow cannot use the store '{uri}': {first_line(error)} Give for instance sqlite:///mlflow.db."
            ) from error
        self._known = {run.data.tags.get("folder") for run in known}

    def __call__(self, state: State) -> None:
        """Log the finished runs of a study that are not in the store."""
        for run in (*state.skipped, *state.finished):
            if str(run.folder) not in self._known:
                self._known.add(str(run.folder))
                self._log(run)

    def _log(self, run: Run) -> None:
        index, _, seed = run.group.partition("-")
        summary = read_json(run.folder / "evaluation" / "summary.json")
        log = (run.folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        with self._mlflow.start_run(run_name=run.name, tags={"folder": str(run.folder)}):
            self._mlflow.log_params({"row": run.row, "split": index, "seed": seed, **self._settings[run.row]})
            for epoch, name, value in VALIDATION.findall(log):
                self._mlflow.log_metric(name, float(value), step=int(epoch))
            scores = {f"test_{name}": values["mean"] for name, values in summary.items()}
            self._mlflow.log_metrics({name: value for name, value in scores.items() if value is not None})
