# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd diagnose``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.run_errors import RunErrors
from monai_kd.commands.settings import parse_settings

Run = Annotated[Path, typer.Argument(help="The output_dir of a distillation ('run train').")]
Student = Annotated[Path | None, typer.Option(help="The output_dir of the same student alone ('run train_student').")]
Out = Annotated[Path | None, typer.Option("--out", help="Write diagnosis.html, .json and .png into this folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of the tables.")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", help="id=value in place of the runs' own, e.g. a moved dataset_dir.")
]
Trace = Annotated[bool, typer.Option("--trace", help="Show an error's whole traceback.")]


def diagnose(
    run: Run,
    student: Student = None,
    out: Out = None,
    as_json: Json = False,
    setting: Setting = None,
    trace: Trace = False,
) -> None:
    """
    Tell why distillation helped or did not, and what to try next.

    Compares teacher, student alone and distilled student on the validation images: is there a gap, does the teacher say
    more than the labels, do the distillation terms move the student, has it converged. Nothing is trained.

    Example: python -m monai_kd diagnose runs/distilled --student runs/student --out diagnosis
    """
    with RunErrors(trace) as errors:
        from monai_kd.diagnosis import TrainedRun, find, measure, next_steps, verdict, write_diagnosis
        from monai_kd.diagnosis.page import as_dict
        from monai_kd.utils.json_files import json_text

        errors.prepare()
        logging.getLogger("ignite").setLevel(logging.ERROR)
        given = parse_settings(setting)
        alone = None if student is None else TrainedRun(student, given)
        with console.status("Reading the runs") as status:
            measured = measure(TrainedRun(run, given), alone, lambda part: status.update(f"Measuring: {part}"))
        page = None if out is None else write_diagnosis(measured, out)
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
            console.print("Nothing stands in its way.", markup=False, highlight=False)
        if page is not None:
            console.print(f"Page: {page}", markup=False, highlight=False)
