# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd distill``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.edit_pairs import edit_text
from monai_kd.commands.options import INT, Setting
from monai_kd.commands.settings import parse_settings

if TYPE_CHECKING:
    from monai_kd.student_bundle import Draft, Pair, Request

Teacher = Annotated[Path, typer.Option(help="The teacher's bundle, or an nnU-Net result.")]
Student = Annotated[str, typer.Option(help="StudentUNet, or a JSON file with a network's `_target_`.")]
Data = Annotated[str, typer.Option(metavar="<path>", help="The data set's folder.")]  # a slash at its end stays
Output = Annotated[Path, typer.Option(help="The new bundle's folder.")]
Method = Annotated[str | None, typer.Option(help="The method's name. Default: what fits the outputs.")]
Pairs = Annotated[Path | None, typer.Option(help="JSON file of pairs of layers. Default: the proposed ones.")]
Edit = Annotated[bool, typer.Option("--edit", help="Open the proposed pairs in $EDITOR.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")]
NoRun = Annotated[bool, typer.Option("--no-run", help="Write the bundle, but do not train the student.")]
Epochs = Annotated[
    int | None, typer.Option(min=1, metavar=INT, help="Epochs of the student's training. Default: the teacher's.")
]
Config = Annotated[list[Path] | None, typer.Option(help="The teacher's training configs. Default: train.json.")]
Weights = Annotated[Path | None, typer.Option(help="The teacher's weights. Default: the bundle's.")]
Inference = Annotated[str | None, typer.Option(metavar="<path>", help="Data of the inference. Default: --dataset-dir.")]
NoTry = Annotated[bool, typer.Option("--no-try", help="Write the bundle without trying one step of it.")]
Classes = Annotated[str | None, typer.Option(metavar="<names>", help="Such as 'liver,spleen'. Default: all.")]
Round = Annotated[bool, typer.Option("--round-labels", help="Give each pixel of a label the nearest class.")]


def distill(
    teacher: Teacher,
    student: Student,
    dataset_dir: Data,
    output_dir: Output,
    method: Method = None,
    pairs: Pairs = None,
    edit: Edit = False,
    yes: Yes = False,
    setting: Setting = None,
    no_run: NoRun = False,
    max_epochs: Epochs = None,
    config: Config = None,
    teacher_checkpoint: Weights = None,
    inference_dataset_dir: Inference = None,
    no_try: NoTry = False,
    round_labels: Round = False,
    classes: Classes = None,
) -> None:
    """
    Distil a student from any MONAI bundle.

    Writes a new bundle, whose training is the teacher's own, and trains the student. The teacher's bundle must train
    with a SupervisedTrainer, and the data must be as that bundle expects them. The methods are logits_kl, logits_mse,
    logits_bce and hidden (logits and pairs of layers). `--config` may be repeated for overlays. `--set` is for those
    of the new configs that have the id. `--classes` makes a student of some of the teacher's classes; the others are
    background. Give the same command again to continue after a stop.

    Example: `python -m monai_kd distill --teacher spleen_ct_segmentation --student StudentUNet
    --dataset-dir Task09_Spleen --output-dir spleen_student`
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.student_bundle import Request, bundle_commands, opened_teacher, run_training

    given = parse_settings(setting)
    configs, weights, inference_dir = tuple(config or ()), teacher_checkpoint, inference_dataset_dir
    with opened_teacher(find_path(teacher), dataset_dir, given.get("fold")) as (root, told):
        for line in told:
            console.print(line, markup=False, highlight=False)
        arguments = (
            student,
            dataset_dir,
            method,
            configs,
            weights,
            given,
            max_epochs,
            inference_dir,
            round_labels,
            classes,
        )
        _write_once(Request(root, *arguments), output_dir, pairs, edit, yes, tried=not no_try)
    folder = given.get("dataset_dir", dataset_dir)
    for name, command in bundle_commands(output_dir, folder, inference_dir).items():
        console.print(f"{name}:\n  {command}", markup=False, highlight=False)
    if not no_run:
        run_training(output_dir, folder)


def _write_once(request: Request, output_dir: Path, pairs: Path | None, edit: bool, yes: bool, tried: bool) -> None:
    from monai_kd.student_bundle import is_made, read_names

    names = {} if pairs is None else {"pairs": read_names(_text(pairs), str(pairs))}
    if is_made(output_dir, {**request.record, **names}):
        text = f"{output_dir} was written before" + (": its pairs stay, and --edit opens nothing." if edit else ".")
        console.print(text, markup=False, highlight=False)
    else:
        _write(request, output_dir, pairs, edit, ask=sys.stdin.isatty() and not yes, tried=tried)


def _write(request: Request, output_dir: Path, pairs: Path | None, edit: bool, ask: bool, tried: bool) -> None:
    from monai_kd.student_bundle import make_draft, pairs_text, read_pairs, write_bundle

    draft = make_draft(request)
    chosen, layers = draft.pairs, (draft.student.layers, draft.teacher.layers)
    if pairs is not None:
        chosen = read_pairs(_text(pairs), str(pairs), *layers)
    _show(draft, chosen)
    if edit:
        chosen = read_pairs(edit_text(pairs_text(chosen), ".json"), "The edited list", *layers)
        _show(draft, chosen)
    if ask:
        typer.confirm(f"Write the bundle {output_dir}?", default=True, abort=True)
    if tried:
        console.print("Trying one step of training, evaluation and inference; --no-try skips it.", highlight=False)
    for note in write_bundle(draft, chosen, output_dir, request.data, request.inference_data, tried):
        console.print(f"Note: {note}", markup=False, highlight=False)
    console.print(f"Wrote {output_dir}.", markup=False, highlight=False)


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"No pairs of layers at '{path}'. Correct --pairs.")
    return path.read_text(encoding="utf-8")


def _show(draft: Draft, pairs: list[Pair]) -> None:
    for network, whose in ((draft.student, "student"), (draft.teacher, "teacher")):
        text = f"{whose}: {network.name}, {network.parameters:,} parameters"
        console.print(text, markup=False, highlight=False)
    table = Table("at", "channels", title="Pairs of layers")
    for whose in ("student", "teacher"):
        table.add_column(f"{whose}'s layer", overflow="fold")
    for pair in pairs:
        size = "×".join(map(str, pair.teacher.size))
        channels = f"{pair.student.channels} → {pair.teacher.channels}"
        table.add_row(f"{pair.student.part} {size}".strip(), channels, pair.student.name, pair.teacher.name)
    if pairs:
        console.print(table)
    else:
        console.print("No pairs of layers: the networks have no resolution in common.", highlight=False)
    left_out = [f"{name} is left out: it defines its own network or training" for name in draft.left_out]
    for note in (*draft.notes, *left_out):
        console.print(f"Note: {note}", markup=False, highlight=False)
