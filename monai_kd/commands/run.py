# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd run``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.run_errors import RunErrors

if TYPE_CHECKING:
    from monai.bundle import ConfigWorkflow

Config = Annotated[str | None, typer.Argument(help="A config's name, such as train, or its file. Default: list them.")]
Bundle = Annotated[str | None, typer.Option(help="The bundle's folder or name. Default: the current folder.")]
Overlay = Annotated[list[str] | None, typer.Option(help="One more overlay, by name or file; may be repeated.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show an error's whole traceback.")]


def run(
    context: typer.Context, config: Config = None, bundle: Bundle = None, overlay: Overlay = None, trace: Trace = False
) -> None:
    """
    Train, evaluate or infer: run a config of a bundle.

    The config comes first; then, in any order, overlays and ids. An overlay in a folder has the folder's name: --method
    logits_kl, --teacher ensemble, --views shared, --network separable, --adaptation trajectory. An id is given as
    --id value: --max_epochs 20 --spatial_size "[96,96]" --optimizer#weight_decay 0.1 --resume False.

    'python -m monai.bundle run' runs the same configs with the same ids. Ctrl+C stops; the same command goes on.

    Example: python -m monai_kd run train --bundle breast_ultrasound_segmentation --dataset_dir data/BrEaST --method
    logits_kl --max_epochs 20
    """
    with RunErrors(trace) as errors:
        if config is None:
            if context.args:
                raise ValueError(f"The config comes first, got '{context.args[0]}'. Write: run train {context.args[0]}")
            _list(bundle)
            return
        from monai_kd.bundle.command_line import read_command

        errors.prepare()
        arguments = read_command(config, bundle, overlay or (), context.args)
        _check(arguments)
        copy = _copy(arguments)
        if copy is not None:
            arguments = read_command(config, str(copy), overlay or (), context.args)
        _run(arguments, errors)


def _check(arguments: dict[str, Any]) -> None:
    from monai_kd.bundle.arguments import check_start
    from monai_kd.bundle.running_config import Start

    given = {key: value for key, value in arguments.items() if key not in ("config_file", "args_file")}
    check_start(Start.of(arguments["config_file"], given, arguments.get("args_file")))


def _copy(arguments: dict[str, Any]) -> Path | None:
    """Of an installed bundle into which the run would write: where outputs are not named, they go into the bundle."""
    from monai_kd.bundle.shipped import copy_bundle, writes_into_package

    root = Path(arguments.get("bundle_root", "."))
    if not writes_into_package(root, arguments):
        return None
    copy = Path("bundles", root.name)
    try:
        copy_bundle(root, copy)
    except ValueError:  # of several processes another one has made it
        if not (copy / "configs").is_dir():
            raise
    else:
        console.print(f"The bundle is now in {copy}: this run writes into it.", markup=False, highlight=False)
    return copy


def _run(arguments: dict[str, Any], errors: RunErrors) -> None:
    from monai.bundle import create_workflow

    begin = time.time()
    # MONAI finds a bundle's scripts when it runs, and `initialize` may need them before.
    sys.path.insert(1, str(Path(arguments.get("bundle_root", ".")).resolve()))
    # As monai.bundle.run does.
    workflow = create_workflow(**arguments)
    errors.watch(workflow)
    workflow.run()
    workflow.finalize()
    _show(workflow, begin)


def _show(workflow: ConfigWorkflow, begin: float) -> None:
    """Where the results are, and the scores if there are some."""
    import torch.distributed as dist

    from monai_kd.utils.atomic_files import read_json

    folder = _place(workflow, "output_dir")
    if folder is None or (dist.is_available() and dist.is_initialized() and dist.get_rank() > 0):
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
    console.print(f"Results: {folder}", markup=False, highlight=False)


def _place(workflow: ConfigWorkflow, name: str) -> Path | None:
    place = workflow.parser.get_parsed_content(name) if name in workflow.parser else None
    return Path(place) if isinstance(place, str) else None


def _list(bundle: str | None) -> None:
    from monai_kd.bundle.command_line import chosen_bundle
    from monai_kd.bundle.finding import bundles, config_names, overlay_names

    folder = chosen_bundle(bundle)
    table = Table("what", "names", show_lines=True)
    if folder is None:
        table.add_row("--bundle", ", ".join(bundles()))
        text = "Name one: python -m monai_kd run --bundle breast_ultrasound_segmentation"
    else:
        table.add_row("configs", ", ".join(config_names(folder)))
        for kind, names in overlay_names(folder).items():
            table.add_row(f"--{kind or 'overlay'}", ", ".join(names))
        first = config_names(folder)[0]
        text = f"Example: python -m monai_kd run {first} --bundle {bundle or folder} --dataset_dir DATA"
    console.print(table)
    console.print(text, markup=False, highlight=False)
