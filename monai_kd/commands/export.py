# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from monai_kd.commands.console import console, show_log
from monai_kd.commands.options import (
    Checkpoint,
    Fold,
    Layout,
    Network,
    OutputDir,
    RuntimeDir,
    Setting,
    SplitFile,
)
from monai_kd.commands.settings import parse_settings

if TYPE_CHECKING:
    from monai_kd.bundle.open_bundle import Bundle

Source = Annotated[Path, typer.Argument(help="The bundle's folder or name, or its inference config.")]
Data = Annotated[Path | None, typer.Option(help="The data set's folder. Default: synthetic images.")]
Forms = Annotated[str, typer.Option(help="Names with commas between them, as in onnx,int8.")]
FloatLayers = Annotated[str, typer.Option(help="Layers that 8 bits leave in floating point: head,encoder.")]
Raw = Annotated[bool, typer.Option("--raw", help="Export the network alone, for prepared input.")]


def export(
    bundle: Source,
    checkpoint: Checkpoint = None,
    output_dir: OutputDir = Path("exported"),
    network: Network = None,
    setting: Setting = None,
    forms: Forms = "onnx",
    dataset_dir: Data = None,
    split_file: SplitFile = None,
    layout: Layout = None,
    fold: Fold = 0,
    float_layers: FloatLayers = "",
    raw: Raw = False,
    runtime_dir: RuntimeDir = None,
) -> None:
    """
    Write a student for a device, a browser or a phone.

    The exported student takes raw pixels and gives the mask. The forms are onnx (always written), fp16, int8, openvino,
    openvino_int8, torchscript, executorch, ncnn, and web, a page. Each is run beside the bundle itself; where a form in
    floating point differs, nothing is written. Give the data set, split file and fold of the training: its images check
    the forms and calibrate those of 8 bits. Without a data set, synthetic images check them. The checkpoint's record
    says what the student was trained with; for weights without a record, `--set` says it.

    Example: `python -m monai_kd export breast_ultrasound_segmentation --network small`

    Example: `python -m monai_kd export breast_ultrasound_segmentation --checkpoint runs/model.pt
    --forms onnx,int8 --dataset-dir data/BUSBRA`
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.export import FORMS, BundleData, DataSet, Options, export_student, open_bundle, why_alone
    from monai_kd.export.web.writing import WEB

    show_log("monai_kd.bundle.record")
    overlays = () if network is None else (f"networks/{network}",)
    opened = open_bundle(find_path(bundle), overlays, **parse_settings(setting))
    checkpoint = checkpoint or _weights(opened)
    opened = opened.of(checkpoint)
    data: DataSet | BundleData | None = None
    if dataset_dir is not None:
        own = "distillation" in opened.metadata and layout is None and split_file is None
        data = BundleData(opened.root, dataset_dir) if own else DataSet(dataset_dir, layout, split_file, fold)
    alone = "" if raw else why_alone(opened)
    options = Options(_names(forms), raw or bool(alone), _names(float_layers), data, runtime_dir=runtime_dir)
    with console.status("") as status:
        results = export_student(opened, checkpoint, output_dir, options, status.update)
    table = Table("form", "MB", "images", "largest difference", "pixels that differ", title="Beside the bundle itself")
    for form, result in results.items():
        pixels = "–" if result.pixels_that_differ is None else f"{100 * result.pixels_that_differ:.4f} %"
        size = f"{FORMS[form].megabytes(output_dir):.2f}"
        table.add_row(form, size, str(result.images), f"{result.largest_difference:.2g}", pixels)
    console.print(table)
    kind = "synthetic images" if data is None else f"images of {dataset_dir}"
    if alone:
        note = f"{alone} So the network alone is exported: docs/export.md, 'Windows', shows how to call it."
        console.print(f"Note: {note}", markup=False, highlight=False)
    after = "web" if WEB in options.forms else "benchmark"
    text = f"{output_dir}, checked on {kind}. Next: python -m monai_kd {after} {output_dir}"
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
