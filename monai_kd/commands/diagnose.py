# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd diagnose``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.options import Json, Setting, Trace
from monai_kd.commands.run.run_errors import RunErrors
from monai_kd.commands.settings import parse_settings

Run = Annotated[Path, typer.Argument(help="Output folder of a distillation ('run train').")]
Student = Annotated[Path | None, typer.Option(help="Output folder of the student alone. Default: none.")]
Output = Annotated[Path | None, typer.Option(help="Folder of the page and pictures. Default: none.")]


def diagnose(
    run: Run,
    student_run: Student = None,
    output_dir: Output = None,
    as_json: Json = False,
    setting: Setting = None,
    trace: Trace = False,
) -> None:
    """
    Tell why distillation helped or not, and what to try next.

    Compares teacher, student alone ('run train_student') and distilled student on the validation images. Is there a
    gap? Does the teacher say more than the labels? Do the distillation terms move the student? Has it converged?
    Nothing is trained. `--set` replaces a value of the runs, such as the dataset_dir of images that have moved.

    Example: `python -m monai_kd diagnose runs/distilled --student-run runs/student --output-dir diagnosis`
    """
    with RunErrors(trace) as errors:
        from monai_kd.diagnosis import TrainedRun, find, measure, next_steps, verdict, write_diagnosis
        from monai_kd.diagnosis.page import as_dict
        from monai_kd.utils.json_files import json_text

        errors.prepare()
        logging.getLogger("ignite").setLevel(logging.ERROR)
        given = parse_settings(setting)
        alone = None if student_run is None else TrainedRun(student_run, given)
        with console.status("Reading the runs") as status:
            measured = measure(TrainedRun(run, given), alone, lambda part: status.update(f"Measuring: {part}"))
        page = None if output_dir is None else write_diagnosis(measured, output_dir)
        if as_json:
            sys.stdout.write(json_text(as_dict(measured)))
            return
        findings = find(measured)
        for one in findings:
            console.print(
                f"{one.question} {one.answer.capitalize()}.\n   {one.evidence}", markup=False, highlight=False
            )
        console.print(f"\n{verdict(measured)}", markup=False, highlight=False)
        for number, step in enumerate(next_steps(findings), 1):
            console.print(f"{number}. {step.action}. {step.reason}\n   {step.command}", markup=False, highlight=False)
        if not next_steps(findings):
            console.print("Nothing was found that limits the student.", markup=False, highlight=False)
        if page is not None:
            console.print(f"Page: {page}", markup=False, highlight=False)
