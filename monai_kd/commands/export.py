# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.settings import parse_settings

if TYPE_CHECKING:
    from monai_kd.bundle.opened import Bundle

Source = Annotated[Path, typer.Argument(help="The bundle's folder or name, or its inference config.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="The student's weights. Default: the inference config's, or models/model.pt.")
]
Network = Annotated[str | None, typer.Option(help="An overlay of the bundle's configs/networks, such as small.")]
Output = Annotated[
    Path, typer.Option("--output_dir", "--output-dir", help="Folder to write; must not exist or be empty.")
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="id=value: what the student was trained with, e.g. spatial_size=[96,96]."),
]
Forms = Annotated[str, typer.Option(help="Some of onnx,int8,openvino,torchscript; ONNX is always written.")]
Data = Annotated[
    Path | None,
    typer.Option("--dataset_dir", "--dataset-dir", help="Images to check with, and to calibrate INT8: the training's."),
]
SplitFile = Annotated[
    Path | None, typer.Option("--split_file", "--split-file", help="Splits of 'data split', if the training used some.")
]
Layout = Annotated[str | None, typer.Option(help="The layout's name; by default the folder tells.")]
Fold = Annotated[int, typer.Option(min=0, help="Which split, as in the training.")]
FloatLayers = Annotated[
    str,
    typer.Option(
        "--float_layers", "--float-layers", help="Layers that INT8 leaves in floating point, e.g. head,encoder."
    ),
]
Raw = Annotated[bool, typer.Option("--raw", help="The network alone, on pre-processed input.")]


def export(
    source: Source,
    checkpoint: Checkpoint = None,
    output_dir: Output = Path("exported"),
    network: Network = None,
    setting: Setting = None,
    forms: Forms = "onnx",
    dataset_dir: Data = None,
    split_file: SplitFile = None,
    layout: Layout = None,
    fold: Fold = 0,
    float_layers: FloatLayers = "",
    raw: Raw = False,
) -> None:
    """
    Write a student as ONNX (INT8, OpenVINO, TorchScript) that takes raw pixels and gives the mask.

    Each form is run beside the bundle itself; where a form in floating point differs, nothing is written.

    Example: python -m monai_kd export breast_ultrasound_segmentation --network small

    Example: python -m monai_kd export breast_ultrasound_segmentation --checkpoint runs/model.pt --set
    spatial_size=[96,96] --set student_channels=[8,12,16,24,32] --forms onnx,int8 --dataset_dir data/BUSBRA
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.export import BundleData, DataSet, Options, export_student, open_bundle, why_alone

    overlays = () if network is None else (f"networks/{network}",)
    bundle = open_bundle(find_path(source), overlays, **parse_settings(setting))
    data: DataSet | BundleData | None = None
    if dataset_dir is not None:
        own = "distillation" in bundle.metadata and layout is None and split_file is None
        data = BundleData(bundle.root, dataset_dir) if own else DataSet(dataset_dir, layout, split_file, fold)
    alone = "" if raw else why_alone(bundle)
    options = Options(_names(forms), raw or bool(alone), _names(float_layers), data)
    checkpoint = checkpoint or _weights(bundle)
    with console.status("") as status:
        results = export_student(bundle, checkpoint, output_dir, options, status.update)
    table = Table("form", "images", "largest difference", "pixels that differ", title="Beside the bundle itself")
    for form, result in results.items():
        pixels = "–" if result.pixels_that_differ is None else f"{100 * result.pixels_that_differ:.4f} %"
        table.add_row(form, str(result.images), f"{result.largest_difference:.2g}", pixels)
    console.print(table)
    kind = "synthetic images" if data is None else f"images of {dataset_dir}"
    if alone:
        note = f"{alone} So the network alone is exported: docs/export.md, 'Windows', shows how to call it."
        console.print(f"Note: {note}", markup=False, highlight=False)
    text = f"{output_dir}, checked on {kind}. Next: python -m monai_kd benchmark {output_dir}"
    console.print(text, markup=False, highlight=False)


def _weights(bundle: Bundle) -> Path:
    """The file that the inference config names, else the bundle's own."""
    for name in ("checkpoint", "student_checkpoint"):
        if name in bundle.parser:
            return Path(bundle.parser.get_parsed_content(name))
    file = bundle.root / "models" / "model.pt"
    if not file.is_file():
        raise ValueError(f"'{bundle.configs[0]}' has no 'checkpoint', and there is no '{file}'. Give --checkpoint.")
    return file


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
