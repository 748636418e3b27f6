# SPDX-License-Identifier: Apache-2.0
"""From a bundle and a checkpoint to a folder of exported forms, each checked against the bundle itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from monai_kd.bundle.opened import Bundle
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.export.agreement import Agreement, Sample, compare, inputs, samples
from monai_kd.export.folder import REPORT, hashes, write_bundle
from monai_kd.export.graph import RawNetwork, Segmenter, segmenter
from monai_kd.export.images import BundleData, DataSet, Pixels, Record, phantoms
from monai_kd.export.int8 import FEWEST, require_enough, write_int8
from monai_kd.export.onnx_file import describe, write_onnx
from monai_kd.export.optional_packages import package
from monai_kd.export.runners import FORMS, load_form
from monai_kd.export.torchscript import write_torchscript
from monai_kd.export.windows import windows
from monai_kd.teachers import load_weights
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.digest import sha256
from monai_kd.utils.distinct_paths import require_distinct
from monai_kd.utils.messages import closest
from monai_kd.version import __version__

__all__ = ["Options", "export_student"]

MOST = 64  # images to calibrate with; MinMax ranges hardly change after as many
CHECKED = 16
TOLERANCE = 1e-3
MASK_TOLERANCE = 1e-3  # of the pixels: where two classes are equal to the last digit, either may win


@dataclass(frozen=True)
class Options:
    """
    What to export, and how.

    Args:
        forms: some of ``onnx``, ``int8``, ``openvino``, ``torchscript``; ONNX is always written.
        raw: the network alone, on pre-processed input.
        float_layers: of the network, that INT8 leaves in floating point.
        data: images to calibrate INT8 with (training part) and to check with (validation part). Defaults to None:
            synthetic images to check with, no INT8.
        tolerance: largest difference of a probability between the bundle and a form in floating point.

    Raises:
        ValueError: When there is no such form, INT8 without data, or float layers without INT8.

    Example:
        >>> Options(forms=["onnx", "torchskript"])
        Traceback (most recent call last):
        ValueError: No form 'torchskript'. Closest: 'torchscript'. There are onnx, int8, openvino, torchscript.
    """

    forms: Sequence[str] = ("onnx",)
    raw: bool = False
    float_layers: Sequence[str] = ()
    data: DataSet | BundleData | None = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        for form in self.forms:
            if form not in FORMS:
                raise ValueError(f"No form '{form}'. Closest: '{closest(form, FORMS)}'. There are {', '.join(FORMS)}.")
        if "int8" in self.forms and self.data is None:
            raise ValueError(
                f"INT8 is calibrated with {FEWEST} or more real images. Name their data set with --dataset_dir."
            )
        if self.float_layers and "int8" not in self.forms:
            raise ValueError(
                f"--float_layers {','.join(self.float_layers)} is of INT8, which is not in --forms. Add int8 there, or "
                "leave out --float_layers."
            )


def export_student(
    bundle: Bundle,
    checkpoint: Path,
    output_dir: Path,
    options: Options,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Agreement]:
    """
    Write a folder with a student's forms, a copy of its bundle's inference config and its weights.

    Args:
        bundle: the student's, with the values that it was trained with.
        checkpoint: its weights.
        output_dir: the folder; must not exist or be empty.
        options: what to write.
        tell: called with each step.

    Returns:
        How each form agrees with the bundle.

    Raises:
        FileNotFoundError: When checkpoint or images are missing.
        ImportError: When a package is missing.
        ValueError: When weights are of another network, something cannot be exported, or a form in floating point
            differs from the bundle by more than the tolerance. Nothing is written then.
    """
    require_distinct({"output_dir": output_dir}, {"the bundle": bundle.root, "checkpoint": checkpoint})
    package("onnxruntime")
    if "openvino" in options.forms:
        package("openvino")
    with ExitStack() as stack:
        stack.enter_context(importable_scripts(bundle.root))  # a network's own code may import while it runs
        module = segmenter(bundle, load_weights(bundle.network(), checkpoint), options.raw)
        folder = stack.enter_context(atomic_folder(output_dir))
        tell("Reading images")
        checking, calibration = _records(bundle, options, stack)
        made = samples(bundle, module, checking)
        description = _description(bundle, module, checkpoint)
        results = {}
        for form in FORMS:
            if form == "onnx" or form in options.forms:
                tell(f"Writing and checking {FORMS[form]}")
                _write(form, folder, bundle, module, made[0].image, calibration, description, options)
                results[form] = _checked(form, folder, module, made, options.tolerance)
        write_bundle(folder, bundle, checkpoint)
        report = {**description, "raw": options.raw, "outputs": module.outputs, "monai_kd": __version__}
        report |= {"windows": windows(bundle)} if options.raw else {}
        report |= {"float_layers": list(options.float_layers), "forms": {k: asdict(v) for k, v in results.items()}}
        report |= {"files": hashes(folder)}
        (folder / REPORT).write_text(json.dumps(report, indent=4) + "\n", encoding="utf-8")
    return results


def _records(bundle: Bundle, options: Options, stack: ExitStack) -> tuple[list[Record], list[Record]]:
    """Images to check with, and to calibrate with: never of the test part."""
    if options.data is None:
        return stack.enter_context(phantoms(bundle)), []
    parts = options.data.parts()
    training, validation = parts["training"], parts["validation"]
    if "int8" in options.forms:
        require_enough(len(training))
    return _spread(validation or training, CHECKED), _spread(training, MOST) if "int8" in options.forms else []


def _spread(records: list[Record], most: int) -> list[Record]:
    """So many of them at most, from all along the list."""
    count = min(most, len(records))
    return [records[index * len(records) // count] for index in range(count)]


def _description(bundle: Bundle, module: Segmenter | RawNetwork, checkpoint: Path) -> dict[str, str]:
    shape = bundle.input_shape
    if isinstance(module, RawNetwork):
        axes, kind = ", ".join(map(str, shape[1:])), "pre-processed, in MONAI's order, float32"
    elif len(shape) == 4:
        axes, kind = f"{shape[1]}, height, width", "raw pixels, uint8"
    else:
        axes, kind = f"{shape[1]}, width, height, depth", "raw voxels, in MONAI's order, float32"
    return {
        "student": type(module.network).__name__,
        "classes": json.dumps(bundle.classes),
        "input": f"image (batch, {axes}): {kind}",
        "bundle": str(bundle.metadata.get("name", bundle.root.name)),
        "bundle_version": str(bundle.metadata.get("version", "unknown")),
        "weights_sha256": sha256(checkpoint),
    }


def _write(
    form: str,
    folder: Path,
    bundle: Bundle,
    module: Segmenter | RawNetwork,
    image: Pixels,
    calibration: Sequence[Record],
    description: dict[str, str],
    options: Options,
) -> None:
    source, path = folder / FORMS["onnx"], folder / FORMS[form]
    if form == "onnx":
        write_onnx(module, image.shape, path)
        describe(path, description)
    elif form == "int8":
        layers = write_int8(source, path, inputs(bundle, module, calibration), options.float_layers)
        describe(path, {**description, "int8_layers": json.dumps(layers), "calibration_images": str(len(calibration))})
    elif form == "openvino":
        openvino = package("openvino")
        path.parent.mkdir()
        openvino.save_model(openvino.convert_model(source), path, compress_to_fp16=False)
    else:
        write_torchscript(module, image, description, path)


def _checked(
    form: str, folder: Path, module: Segmenter | RawNetwork, made: Sequence[Sample], tolerance: float
) -> Agreement:
    agreement = compare(load_form(folder / FORMS[form], module.outputs), made)
    another_mask = (agreement.pixels_that_differ or 0.0) > MASK_TOLERANCE
    if form != "int8" and (another_mask or agreement.largest_difference > tolerance):
        raise ValueError(
            f"{FORMS[form]} differs from the bundle itself: {agreement}; the tolerance is {tolerance:g}. Nothing was "
            "written. If the bundle's transforms do something that was not translated, export with --raw."
        )
    return agreement
