# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd run``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.options import Setting, Trace
from monai_kd.commands.run.run_errors import RunErrors
from monai_kd.commands.settings import parse_settings

if TYPE_CHECKING:
    from monai.bundle import ConfigWorkflow

Config = Annotated[str | None, typer.Argument(help="A config's name or file. Default: list the names.")]
Bundle = Annotated[str | None, typer.Option(help="The bundle's folder or name. Default: this folder.")]
Overlay = Annotated[list[str] | None, typer.Option(help="An overlay's name or file; may be repeated.")]


LOG = "logging.conf"


def run(
    context: typer.Context,
    config: Config = None,
    bundle: Bundle = None,
    overlay: Overlay = None,
    setting: Setting = None,
    trace: Trace = False,
) -> None:
    """
    Train, evaluate or infer: run a config of a bundle.

    The config comes first; then, in any order, overlays and ids. An overlay in a folder has the folder's name:
    `--method logits_kl`, `--teacher ensemble`, `--views shared`, `--network separable`, `--adaptation trajectory`. An
    id of the config is an option, too: `--max-epochs 20`, `--spatial-size "[96,96]"`, `--resume False`,
    `--optimizer#lr 0.1`. Dashes and underscores are the same in it. `--set max_epochs=20` does the same, as in the
    other commands. `--output-dir DIR` is where a training's results go, and its weights: DIR/model.pt, unless
    `--checkpoint` names another file.

    'python -m monai.bundle run' runs the same configs with the same ids. Ctrl+C stops a run; give the same command
    again to continue it.

    Example: `python -m monai_kd run train --bundle breast_ultrasound_segmentation --dataset-dir data/BrEaST
    --method logits_kl --max-epochs 20`
    """
    with RunErrors(trace) as errors:
        if config is None:
            if context.args:
                raise ValueError(f"The config comes first, got '{context.args[0]}'. Write: run train {context.args[0]}")
            _list(bundle)
            return
        errors.prepare()
        settings = parse_settings(setting)
        arguments = _arguments(config, bundle, overlay or (), context.args, settings)
        _check(arguments)
        copy = _copy(arguments)
        if copy is not None:
            arguments = _arguments(config, str(copy), overlay or (), context.args, settings)
        _run(arguments, errors, trace)


def _arguments(
    config: str, bundle: str | None, overlays: Sequence[str], words: Sequence[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of ``monai.bundle.run``: what the words of the command mean, and the values of ``--set``."""
    from monai_kd.bundle.command_line import place_weights, read_command
    from monai_kd.utils.messages import option

    arguments = read_command(config, bundle, overlays, words)
    for name in set(settings) & set(arguments):
        raise ValueError(f"'{name}' is given twice: as {option(name)} and by --set. Keep one of them.")
    return place_weights({**arguments, **settings})


def _check(arguments: dict[str, Any]) -> None:
    from monai_kd.bundle.argument_checks import check_start
    from monai_kd.bundle.running_config import Start

    given = {key: value for key, value in arguments.items() if key not in ("config_file", "args_file")}
    check_start(Start.of(arguments["config_file"], given, arguments.get("args_file")))


def _copy(arguments: dict[str, Any]) -> Path | None:
    """Of an installed bundle into which the run would write: where outputs are not named, they go into the bundle."""
    from monai_kd.bundle.shipped_bundles import copy_bundle, writes_into_package

    root = Path(arguments.get("bundle_root", "."))
    if not writes_into_package(root, arguments):
        return None
    copy = Path("bundles", root.name)
    try:
        copy_bundle(root, copy)
    except ValueError:  # another process of this run has made it
        if not (copy / "configs").is_dir():
            raise
    else:
        console.print(f"The bundle is now in {copy}: this run writes into it.", markup=False, highlight=False)
    return copy


def _run(arguments: dict[str, Any], errors: RunErrors, is_full: bool) -> None:
    from monai.bundle import create_workflow

    from monai_kd.commands.run.epoch_lines import epoch_lines, quiet_start
    from monai_kd.utils.processes import is_first_process

    begin = time.time()
    # MONAI finds a bundle's scripts when it runs, and `initialize` may need them before.
    sys.path.insert(1, str(Path(arguments.get("bundle_root", ".")).resolve()))
    # As monai.bundle.run does.
    with nullcontext() if is_full else quiet_start():
        workflow = create_workflow(**_with_log(arguments))
    errors.watch(workflow)
    with nullcontext() if is_full else epoch_lines(workflow):
        workflow.run()
        is_first = is_first_process()  # of several, while they are a group
        workflow.finalize()
    if is_first:
        _show(workflow, begin)


def _with_log(arguments: dict[str, Any]) -> dict[str, Any]:
    """Log as the shipped bundles do, where neither the bundle nor the user says how."""
    from monai_kd.bundle.config_files import read_file
    from monai_kd.bundle.shipped_bundles import shipped_bundles

    given = {**(read_file(arguments["args_file"]) if "args_file" in arguments else {}), **arguments}
    if "logging_file" in given or Path(arguments["config_file"][0]).with_name(LOG).is_file():
        return arguments
    return {**arguments, "logging_file": str(shipped_bundles() / "breast_ultrasound_segmentation" / "configs" / LOG)}


def _show(workflow: ConfigWorkflow, begin: float) -> None:
    """Print the scores if there are any, which weights there are, where the results are, and what comes next."""
    from monai_kd.bundle.value_kinds import is_program
    from monai_kd.commands.run.evaluation_command import evaluation_command
    from monai_kd.utils.json_files import read_json

    folder = _place(workflow, "output_dir")
    if folder is None:
        return
    summary = folder / "summary.json"
    if summary.is_file() and summary.stat().st_mtime >= begin - 1:
        table = Table("score", "mean", "std", "images", "undefined")
        for name, row in read_json(summary).items():
            if isinstance(row, dict) and "mean" in row:
                cells = ("–" if row.get(key) is None else f"{row[key]:.4f}" for key in ("mean", "std"))
                table.add_row(name, *cells, str(row.get("images", "")), str(row.get("undefined", "")))
        if table.row_count:
            console.print(table)
    trained = _place(workflow, "output_files#checkpoint")
    weights = trained or _place(workflow, "checkpoint")
    if weights is not None and weights.is_file():
        is_default = trained is None and is_program(workflow.parser["checkpoint"])
        whose = ", the bundle's own; --checkpoint names others" if is_default else ""
        _say(f"Weights: {weights}{whose}")
    _say(f"Results: {folder}")
    if trained is not None and trained.is_file():
        command = evaluation_command(workflow.parser.get(), trained, folder)
        if command is not None:
            _say(f"Evaluate: {command}")


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _place(workflow: ConfigWorkflow, name: str) -> Path | None:
    place = workflow.parser.get_parsed_content(name) if name in workflow.parser else None
    return Path(place) if isinstance(place, str) else None


def _list(bundle: str | None) -> None:
    from monai_kd.bundle.command_line import chosen_bundle
    from monai_kd.bundle.finding import bundles

    folder = chosen_bundle(bundle)
    table = Table("what", "names", show_lines=True)
    if folder is None:
        table.add_row("--bundle", ", ".join(bundles()))
        text = "Name one: python -m monai_kd run --bundle breast_ultrasound_segmentation"
    else:
        table.add_row("configs", ", ".join(folder.config_names()))
        for kind, names in folder.overlay_names().items():
            table.add_row(f"--{kind or 'overlay'}", ", ".join(names))
        first = folder.config_names()[0]
        text = f"Example: python -m monai_kd run {first} --bundle {bundle or folder.root} --dataset-dir DATA"
    console.print(table)
    console.print(text, markup=False, highlight=False)
