# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.progress import Progress, TaskID
from rich.table import Table as Shown

from monai_kd.commands.console import console, show_log
from monai_kd.commands.options import BUNDLE, INT, Bundle, Fold, Layout, Setting, SplitFile, Threads
from monai_kd.commands.settings import parse_settings

if TYPE_CHECKING:
    from monai_kd.export.sample_images import DataSet
    from monai_kd.utils.tables import Table

Students = Annotated[list[Path], typer.Argument(help="Folders that 'export' wrote, or files in them.")]
Teacher = Annotated[Path | None, typer.Option(help="The teacher's weights. Default: no teacher is timed.")]
Data = Annotated[Path | None, typer.Option(help="The data set's folder. Default: no scores.")]
Size = Annotated[int, typer.Option(min=16, metavar=INT, help="Sides of the timed image in pixels.")]
Rounds = Annotated[int, typer.Option(min=1, metavar=INT, help="Timed rounds; each times every model once.")]
NoPeers = Annotated[bool, typer.Option("--no-peers", help="Do not time MONAI's own networks.")]
Output = Annotated[Path, typer.Option(help="Folder of latency.md and latency.csv.")]


def benchmark(
    students: Students,
    teacher_checkpoint: Teacher = None,
    bundle: Bundle = BUNDLE,
    setting: Setting = None,
    dataset_dir: Data = None,
    split_file: SplitFile = None,
    layout: Layout = None,
    fold: Fold = 0,
    image_size: Size = 224,
    rounds: Rounds = 200,
    threads: Threads = 1,
    no_peers: NoPeers = False,
    output_dir: Output = Path("runs/latency"),
) -> None:
    """
    Time every form of a student on the CPU.

    The table also has the student's teacher and networks of MONAI (BasicUNet, UNet, SegResNet and FlexibleUNet).
    `--bundle` has the teacher's `configs/teacher.json`. For weights without a record, `--set` gives what the teacher
    was trained with. With `--dataset-dir`, the models are scored on the test images of the training.

    Example: `python -m monai_kd benchmark exported --teacher-checkpoint runs/teacher.pt --dataset-dir data/BUSBRA`
    """
    from monai_kd.benchmark.candidates import forms_of, teacher_of
    from monai_kd.benchmark.latency_report import Settings
    from monai_kd.benchmark.latency_report import benchmark as measure
    from monai_kd.bundle.finding import find_path
    from monai_kd.export.sample_images import DataSet
    from monai_kd.utils.atomic_files import atomic_write

    show_log("monai_kd.bundle.record")
    opened, forms = {}, {}
    for path in students:  # several may be files of one folder
        student, rows = forms_of(path, threads)
        opened[student.folder] = student
        forms.update({(student.folder, row.name): row for row in rows})
    candidates = list(forms.values())
    if teacher_checkpoint is not None:
        raw = bool(next(iter(opened.values())).report["raw"])
        candidates.append(teacher_of(find_path(bundle), teacher_checkpoint, parse_settings(setting), raw))
    data = None if dataset_dir is None else DataSet(dataset_dir, layout, split_file, fold)
    if data is not None:
        _require_unseen(data, [*(student.checkpoint for student in opened.values()), teacher_checkpoint])
    with Progress(console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(text: str, total: int | None) -> None:
            if text not in tasks:
                tasks[text] = progress.add_task(text, total=total)
            progress.advance(tasks[text])

        settings = Settings(image_size, rounds, threads, not no_peers, data)
        table = measure(list(opened.values()), candidates, settings, tell)
    console.print(_shown(table))
    for note in table.notes:
        console.print(note, markup=False, highlight=False)
    table.write_csv(output_dir / "latency.csv")
    with atomic_write(output_dir / "latency.md") as temporary:
        temporary.write_text(table.markdown(), encoding="utf-8")
    console.print(f"Written to {output_dir}: latency.md, latency.csv.", markup=False, highlight=False)


def _require_unseen(data: DataSet, checkpoints: list[Path | None]) -> None:
    """The test images must be new to these networks."""
    from monai_kd.bundle.record import require_unseen

    require_unseen(checkpoints, data.parts()["test"], way_out="Without --dataset-dir, times alone are measured.")


def _shown(table: Table) -> Shown:
    shown = Shown(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column(table.columns[0], no_wrap=True)
    for name, *cells in list(zip(table.columns, *table.rows, strict=True))[1:]:
        shown.add_column(name, justify="right", min_width=max(map(len, [*name.split(), *cells])))
    for row in table.rows:
        shown.add_row(*row)
    return shown
