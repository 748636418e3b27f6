# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd study run``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_kd.commands.console import console, error_console
from monai_kd.commands.options import INT, Layout, Setting, SplitFile
from monai_kd.commands.run.run_errors import Stopped
from monai_kd.commands.settings import one_or_all, parse_settings
from monai_kd.commands.study.progress import StudyProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from monai_kd.study import Plan
    from monai_kd.study.running.scheduling import State, Workers

Study = Annotated[Path, typer.Argument(help="The study's YAML file, or NAME/studies/FILE of a bundle.")]
Data = Annotated[list[Path], typer.Option(help="The data set's folder; repeat it to join several.")]
Output = Annotated[Path, typer.Option(help="The study's folder.")]
Images = Annotated[int | None, typer.Option(min=1, metavar=INT, help="Number of images to draw. Default: all.")]
Splits = Annotated[int | None, typer.Option(min=1, metavar=INT, help="Number of splits. Default: the study's.")]
Seeds = Annotated[int | None, typer.Option(min=1, metavar=INT, help="Number of training seeds. Default: the study's.")]
Rows = Annotated[list[str] | None, typer.Option(help="A row to run, with those it needs; repeat it. Default: all.")]
Jobs = Annotated[int | None, typer.Option(min=1, metavar=INT, help="Runs at a time. Default: 1; on Ray, all that fit.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar=INT, help="CPU threads of a run. Default: all; on Ray, 1.")]
Ray = Annotated[str | None, typer.Option(help="Ray cluster: host:port or auto. Default: this machine.")]
Fraction = Annotated[float, typer.Option(help="With --ray: GPUs of a run; 0 is the CPU.")]
MLflow = Annotated[str | None, typer.Option(help="MLflow store: sqlite:///runs/mlflow.db. Default: none.")]


def run(
    study: Study,
    dataset_dir: Data,
    output_dir: Output,
    jobs: Jobs = None,
    threads: Threads = None,
    split_file: SplitFile = None,
    images: Images = None,
    splits: Splits = None,
    seeds: Seeds = None,
    rows: Rows = None,
    setting: Setting = None,
    layout: Layout = None,
    ray: Ray = None,
    gpu_fraction: Fraction = 0.0,
    mlflow: MLflow = None,
) -> None:
    """
    Train and evaluate every row of a study on every split.

    Each run is a MONAI bundle run in its own folder, `SPLIT-SEED/ROW/`: train.json, evaluate.json, log.txt, model.pt,
    evaluation/scores.csv. Give the same command again to continue after a stop. `--images` draws so many images once,
    and splits those. `--threads` counts only if OMP_NUM_THREADS is not set. `--ray` also takes `ray://host:port`.
    `--set` replaces a setting of the study; a row's own arguments stay.

    Example: `python -m monai_kd study run breast_ultrasound_segmentation/studies/paper.yaml
    --dataset-dir data/BrEaST --output-dir runs/paper --jobs 4`
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.study import read_plan, run_study
    from monai_kd.study.running.local_workers import LocalWorkers

    def workers() -> Workers:
        if ray is None:
            return LocalWorkers(jobs or 1, threads)
        from monai_kd.study.running.ray_workers import RayWorkers

        return RayWorkers(ray, gpu_fraction, threads or 1, jobs)

    plan = read_plan(find_path(study))
    given: dict[str, Any] = {"images": images, "splits": splits, "seeds": seeds and tuple(range(seeds))}
    plan = dataclasses.replace(plan, **{key: value for key, value in given.items() if value is not None})
    plan = dataclasses.replace(plan, settings={**plan.settings, **parse_settings(setting)})
    track = _tracker(mlflow, plan)
    with StudyProgress(console) as progress:

        def watch(state: State) -> None:
            progress(state)
            track(state)

        try:
            state = run_study(plan, one_or_all(dataset_dir), output_dir, workers, layout, split_file, watch, rows)
        except KeyboardInterrupt:
            error_console.print("Stopped. Give the same command again to continue.")
            raise Stopped from None
    for run, reason in state.failed.items():
        console.print(f"{run.name} failed: {reason}", markup=False, highlight=False)
    done = f"{len(state.finished)} runs finished, {len(state.skipped)} had finished before, {len(state.failed)} failed."
    console.print(f"{done} Next: python -m monai_kd study report {output_dir}", markup=False, highlight=False)
    if state.failed:
        raise SystemExit(1)


def _tracker(uri: str | None, plan: Plan) -> Callable[[State], None]:
    if uri is None:
        return lambda state: None
    from monai_kd.study.running.tracking import MLflowTracker

    return MLflowTracker(uri, plan)
