# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.progress import Progress, TaskID
from rich.table import Table as Shown

from monai_kd.commands.console import console
from monai_kd.commands.settings import parse_settings

Students = Annotated[list[Path], typer.Argument(help="Folders that 'export' wrote, or files in them.")]
Teacher = Annotated[Path | None, typer.Option(help="The teacher's weights; --bundle has its config.")]
BundleDir = Annotated[Path, typer.Option(help="The teacher's bundle, with configs/teacher.json: folder or name.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="id=value: what the teacher was trained with, e.g. spatial_size=[96,96]."),
]
Data = Annotated[
    Path | None,
    typer.Option("--dataset_dir", "--dataset-dir", help="The training's data set: its test part is scored."),
]
SplitFile = Annotated[
    Path | None, typer.Option("--split_file", "--split-file", help="Splits of 'data split', if the training used some.")
]
Size = Annotated[int, typer.Option(min=16, help="Sides of the timed image in pixels.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds that count; in each, every model takes its turn.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the CPU.")]
Peers = Annotated[bool, typer.Option(help="Time MONAI's BasicUNet, UNet, SegResNet and FlexibleUNet, too.")]
Output = Annotated[Path, typer.Option(help="Folder of latency.md and latency.csv.")]


def benchmark(
    students: Students,
    teacher: Teacher = None,
    bundle: BundleDir = Path("breast_ultrasound_segmentation"),
    setting: Setting = None,
    dataset_dir: Data = None,
    split_file: SplitFile = None,
    layout: Annotated[str | None, typer.Option(help="The layout's name; by default the folder tells.")] = None,
    fold: Annotated[int, typer.Option(min=0, help="Which split, as in the training.")] = 0,
    size: Size = 224,
    rounds: Rounds = 200,
    threads: Threads = 1,
    peers: Peers = True,
    output: Output = Path("runs/latency"),
) -> None:
    """
    Time every form of a student on the CPU, beside its teacher and networks of MONAI: one table.

    Example: python -m monai_kd benchmark exported --teacher runs/teacher.pt --dataset_dir data/BUSBRA
    """
    from monai_kd.benchmark.candidates import forms_of, teacher_of
    from monai_kd.benchmark.latency_report import Settings
    from monai_kd.benchmark.latency_report import benchmark as measure
    from monai_kd.bundle.finding import find_path
    from monai_kd.export.sample_images import DataSet
    from monai_kd.utils.atomic_files import atomic_write

    opened, forms = {}, {}
    for path in students:  # several may be files of one folder
        student, rows = forms_of(path, threads)
        opened[student.folder] = student
        forms.update({(student.folder, row.name): row for row in rows})
    candidates = list(forms.values())
    if teacher is not None:
        raw = bool(next(iter(opened.values())).report["raw"])
        candidates.append(teacher_of(find_path(bundle), teacher, parse_settings(setting), raw))
    data = None if dataset_dir is None else DataSet(dataset_dir, layout, split_file, fold)
    with Progress(console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(text: str, total: int | None) -> None:
            if text not in tasks:
                tasks[text] = progress.add_task(text, total=total)
            progress.advance(tasks[text])

        table = measure(list(opened.values()), candidates, Settings(size, rounds, threads, peers, data), tell)
    shown = Shown(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column(table.columns[0], no_wrap=True)
    for name, *cells in list(zip(table.columns, *table.rows, strict=True))[1:]:
        shown.add_column(name, justify="right", min_width=max(map(len, [*name.split(), *cells])))
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
    for note in table.notes:
        console.print(note, markup=False, highlight=False)
    table.write_csv(output / "latency.csv")
    with atomic_write(output / "latency.md") as temporary:
        temporary.write_text(table.markdown(), encoding="utf-8")
    console.print(f"Written to {output}: latency.md, latency.csv.", markup=False, highlight=False)
