# SPDX-License-Identifier: Apache-2.0
"""Write the diagnosis as JSON and as one HTML page with its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from monai_kd.diagnosis.findings import find, next_steps, verdict
from monai_kd.diagnosis.measurements import Measured
from monai_kd.study.reporting.pages import Figure, write_html
from monai_kd.study.results.statistics import interval
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.json_files import write_json
from monai_kd.utils.tables import Table

__all__ = ["as_dict", "write_diagnosis"]


def as_dict(measured: Measured) -> dict[str, Any]:
    """The diagnosis as plain values for JSON."""
    findings = find(measured)
    scores = {name: _mean(values) for name, values in _scores(measured).items()}
    return {
        "verdict": verdict(measured),
        "findings": [asdict(one) for one in findings],
        "next": [asdict(step) for step in next_steps(findings)],
        "scores": scores,
        "gradients": {name: share._asdict() for name, share in measured.gradients.items()},
        "images": {"labelled": measured.labelled, "unlabelled": measured.unlabelled},
        "steps": measured.steps,
    }


def write_diagnosis(measured: Measured, output_dir: Path) -> Path:
    """Write ``diagnosis.json``, ``diagnosis.html`` and ``diagnosis.png``, and return the path of the HTML page."""
    found = as_dict(measured)
    write_json(output_dir / "diagnosis.json", found)
    picture, page = output_dir / "diagnosis.png", output_dir / "diagnosis.html"
    _draw(measured, picture)
    findings = find(measured)
    steps = [[step.action, step.reason, step.command] for step in next_steps(findings)]
    answers = [[one.question, one.answer, one.evidence] for one in findings]
    tables = [Table("Findings", ("question", "answer", "evidence"), answers)]
    if steps:
        tables.append(Table("What to try next", ("what", "why", "how"), steps))
    note = (
        "Left: mean of the key metric, with its 95 % interval over images. Middle: each point is a validation image; "
        "above the dashed line the teacher is better."
    )
    write_html(page, "Distillation: diagnosis", [found["verdict"]], tables, [Figure("Pictures", picture, note)])
    return page


def _scores(measured: Measured) -> dict[str, Mapping[str, float]]:
    alone = {} if measured.alone is None else {"student alone": measured.alone.scores}
    return {
        "teacher, training images": measured.teacher_training.scores,
        "teacher": measured.teacher.scores,
        **alone,
        "distilled": measured.distilled.scores,
        "distilled, training images": measured.distilled_training.scores,
    }


def _mean(values: Mapping[str, float]) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def _draw(measured: Measured, path: Path) -> None:
    from matplotlib.figure import Figure as Canvas

    has_history = bool(measured.loss) or len(measured.curve) > 1
    canvas = Canvas(figsize=(13 if has_history else 9, 4), layout="constrained")
    left, middle, *further = canvas.subplots(1, 3 if has_history else 2)
    for place, (_, values) in enumerate(reversed(_scores(measured).items())):
        numbers = np.array(list(values.values()))
        if len(numbers):
            left.plot(numbers.mean(), place, "o", color="tab:blue")
        if len(numbers) > 1:
            left.plot(interval(numbers), [place, place], color="tab:blue")
    left.set_yticks(range(len(_scores(measured))), list(reversed(_scores(measured))))
    left.set(xlabel=measured.metric, xlim=(0, 1))
    other, name = (measured.alone, "student alone") if measured.alone else (measured.distilled, "distilled student")
    both = sorted(measured.teacher.scores.keys() & other.scores.keys())
    middle.plot([other.scores[key] for key in both], [measured.teacher.scores[key] for key in both], "o", alpha=0.5)
    middle.plot([0, 1], [0, 1], "--", color="0.6")
    middle.set(xlabel=f"{measured.metric}, {name}", ylabel=f"{measured.metric}, teacher", aspect="equal")
    for axis in further:
        curves = (("distillation's mean loss", measured.loss), (measured.metric, measured.curve))
        for label, points in curves:
            if len(points) > 1:
                axis.plot(*zip(*points, strict=True), label=label)
        axis.set(xlabel="epoch")
        axis.legend()
    with atomic_write(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=100)
