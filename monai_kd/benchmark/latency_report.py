# SPDX-License-Identifier: Apache-2.0
"""The latency report: time, memory, size and Dice of every row on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from monai_kd.benchmark.candidates import Candidate, peers_of
from monai_kd.benchmark.memory import peak_memory
from monai_kd.benchmark.scoring import mean_dice
from monai_kd.benchmark.timing import in_turns, timed
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.export.export_folder import Exported
from monai_kd.export.forms.form import Runner
from monai_kd.export.sample_images import DataSet
from monai_kd.phantom import phantom
from monai_kd.utils.processes import cpu_name
from monai_kd.utils.tables import Table

__all__ = ["Settings", "benchmark", "timed_image"]

COLUMNS = ("model", "median ms", "p95 ms", "images / s", "memory MB", "file MB", "parameters", "Dice %", "Dice lost")


@dataclass(frozen=True)
class Settings:
    """
    How to measure.

    Args:
        size: side of the timed picture in pixels. Volumes, and networks exported alone, have the size of their export.
        rounds: timed repetitions, after the warm-up.
        threads: CPU threads.
        peers: whether to add MONAI's networks.
        data: its test images give Dice. Defaults to None: no Dice.
    """

    size: int = 224
    rounds: int = 200
    threads: int = 1
    peers: bool = True
    data: DataSet | None = None


def benchmark(
    students: Sequence[Exported],
    candidates: Sequence[Candidate],
    settings: Settings,
    tell: Callable[[str, int | None], None] = lambda text, total: None,
) -> Table:
    """
    Measure candidates side by side.

    Args:
        students: of one task; the first one's bundle defines the images.
        candidates: the students' forms, and a teacher.
        settings: how to measure.
        tell: called at each step with a text and, if known, the number of calls with this text.

    Returns:
        A table with one row for each candidate.

    Raises:
        ValueError: When the students take different images or have the same name, the data set has no test images, or a
            candidate cannot be loaded.
    """
    exported = students[0]
    _require_alike(students)
    # Entered once here, because entering takes time, and each of the student's calls would otherwise do so.
    with _threads(settings.threads), importable_scripts(exported.folder):
        image = timed_image(exported, settings.size)
        classes = _pytorch(exported, candidates)(image)[exported.report["outputs"][-1]].shape[1]
        rows = [*candidates, *(peers_of(exported, classes) if settings.peers else [])]
        calls = {row.name: partial(row.load(tuple(image.shape)), image) for row in rows}
        times: dict[str, list[float]] = {row.name: [] for row in rows}
        for one in in_turns(
            {name: timed(call) for name, call in calls.items()}, settings.rounds, settings.rounds // 10
        ):
            tell("Timing", settings.rounds)
            for name, milliseconds in one.items():
                times[name].append(milliseconds)
        memory = {}
        for row in rows:
            tell("Memory", len(rows))
            load = partial(row.load, tuple(image.shape))
            memory[row.name] = peak_memory(load, row.libraries, image, settings.threads)
        scores = mean_dice(exported, rows, settings.data, tell) if settings.data is not None else {}
        cells = [
            [row.name, *_speed(times[row.name]), *_size(row, memory[row.name]), *_dice(row, scores)] for row in rows
        ]
        return Table("Latency", COLUMNS, cells, _notes(exported, image, settings))


def _require_alike(students: Sequence[Exported]) -> None:
    first, *others = students
    for other in others:
        for key in ("input", "outputs"):
            if other.report[key] != first.report[key]:
                raise ValueError(
                    f"The {key} of '{other.folder}' is {other.report[key]}, but that of '{first.folder}' is "
                    f"{first.report[key]}. Measure students of one task at a time."
                )
    names = [student.folder.name for student in students]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ValueError(f"Two students are in folders named '{double}', and a row has its folder's name. Rename one.")


def _pytorch(exported: Exported, candidates: Sequence[Candidate]) -> Runner:
    name = f"{exported.folder.name}, PyTorch"
    return next(row for row in candidates if row.name == name).load(None)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed_image(exported: Exported, size: int) -> npt.NDArray[Any]:
    """
    A synthetic image in the form that an export takes; ``size`` is the side of a picture in pixels.

    Volumes, and networks exported alone, have the size of their export.
    """
    shape = exported.bundle.input_shape
    if exported.report["raw"] or len(shape) == 5:
        return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    drawn = np.asarray(Image.fromarray(phantom(0)[0]).resize((size, size)))
    return np.array(np.broadcast_to(drawn, (1, shape[1], size, size)))


def _speed(times: Sequence[float]) -> tuple[str, str, str]:
    median = statistics.median(times)
    return f"{median:.2f}", f"{np.percentile(times, 95):.2f}", f"{1000 / median:.0f}"


def _size(row: Candidate, memory: float | None) -> tuple[str, str, str]:
    return "–" if memory is None else f"{memory:.0f}", f"{row.megabytes:.2f}", f"{row.parameters:,}"


def _dice(row: Candidate, scores: Mapping[str, float]) -> tuple[str, str]:
    if row.name not in scores or row.reference is None:
        return "–", "–"
    lost = "–" if row.name == row.reference else f"{100 * (scores[row.reference] - scores[row.name]):.2f}"
    return f"{100 * scores[row.name]:.2f}", lost


def _notes(exported: Exported, image: npt.NDArray[Any], settings: Settings) -> tuple[str, ...]:
    shape = "×".join(map(str, image.shape[2:]))
    inside = "the network alone" if exported.report["raw"] else "from raw pixels to mask"
    found = ", ".join(
        f"{name} {number}" for name in ("torch", "monai", "onnxruntime", "openvino") if (number := _of(name))
    )
    notes = [
        f"Time: one image of {shape} at a time, {inside}, {settings.threads} thread(s). Median and 95th percentile of "
        f"{settings.rounds} rounds; each round runs every model once. {cpu_name()}; {found}.",
        "Memory: the peak of a fresh process, without its libraries. Dice lost: in percentage points, compared with "
        "the same student in PyTorch.",
    ]
    if settings.peers:
        notes.append("BasicUNet, UNet, SegResNet and FlexibleUNet are MONAI's, with random weights.")
    if settings.data is not None:
        notes.append(
            f"Dice: mean over the test images of {settings.data.folder.name} that have a lesion, at their original "
            "sizes. Every class except the background counts as lesion, because the data set's masks have no classes."
        )
    return tuple(notes)


def _of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
