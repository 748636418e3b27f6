# SPDX-License-Identifier: Apache-2.0
"""Export of a bundle and a checkpoint to a folder of forms, each checked against the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from monai_kd.bundle.open_bundle import Bundle
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.export.agreement import Agreement, Sample, compare, inputs, samples
from monai_kd.export.export_folder import REPORT, hashes, write_bundle
from monai_kd.export.forms import FORMS, load_form
from monai_kd.export.forms.form import Form, Source, around
from monai_kd.export.forms.onnx_file import sides_of
from monai_kd.export.graph import RawNetwork, Segmenter, segmenter
from monai_kd.export.optional_packages import package
from monai_kd.export.sample_images import BundleData, DataSet, Record, phantoms
from monai_kd.export.web.writing import WEB, page_archives, write_page
from monai_kd.export.windows import windows
from monai_kd.teachers import load_weights
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.digest import sha256
from monai_kd.utils.distinct_paths import require_distinct
from monai_kd.utils.json_files import write_json
from monai_kd.utils.messages import closest
from monai_kd.version import __version__

__all__ = ["Options", "export_student"]

FEWEST, MOST = 8, 64  # images for calibration: fewer depend too much on single ones, more hardly change the ranges
CHECKED = 16
TOLERANCE = 1e-3
MASK_TOLERANCE = 1e-3  # share of pixels: either class may win where two are equal to the last digit


@dataclass(frozen=True)
class Options:
    """
    What to export, and how.

    Args:
        forms: names of :data:`FORMS`, or ``web``; ONNX is always written.
        raw: export only the network, for pre-processed input.
        float_layers: layers of the network that stay in floating point in the forms of 8 bits.
        data: images for the calibration of 8 bits (training part) and for the checks (validation part). Defaults to
            None: checks with synthetic images, and no 8 bits.
        tolerance: largest difference of a probability between the bundle and a form in floating point; times the form's
            own slack.
        runtime_dir: folder of the npm packages that ``web`` needs; what it lacks is downloaded into it. Defaults to
            None: the user's cache.

    Raises:
        ValueError: When a form does not exist, or with 8 bits without data, or float layers without 8 bits.

    Example:
        >>> Options(forms=["onnx", "torchskript"])
        Traceback (most recent call last):
        ValueError: No form 'torchskript'. Closest: 'torchscript'. Choose from onnx, fp16, ...
    """

    forms: Sequence[str] = ("onnx",)
    raw: bool = False
    float_layers: Sequence[str] = ()
    data: DataSet | BundleData | None = None
    tolerance: float = TOLERANCE
    runtime_dir: Path | None = None

    def __post_init__(self) -> None:
        known = (*FORMS, WEB)
        for form in self.forms:
            if form not in known:
                raise ValueError(
                    f"No form '{form}'. Closest: '{closest(form, known)}'. Choose from {', '.join(known)}."
                )
        if self.rounded and self.data is None:
            raise ValueError(
                f"{FORMS[self.rounded[0]].title} needs {FEWEST} or more images for calibration. Name their folder "
                "with --dataset-dir."
            )
        if self.float_layers and not self.rounded:
            raise ValueError(
                f"--float-layers {','.join(self.float_layers)} is for a form of 8 bits, and --forms has none. Add int8 "
                "there, or leave out --float-layers."
            )

    @property
    def rounded(self) -> list[str]:
        """The forms of 8 bits among them."""
        return [form for form in self.forms if form in FORMS and FORMS[form].is_rounded]


def export_student(
    bundle: Bundle,
    checkpoint: Path,
    output_dir: Path,
    options: Options,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Agreement]:
    """
    Write a folder with a student's forms, a copy of its bundle's inference config, and its weights.

    Args:
        bundle: the student's; a checkpoint with a record brings the values of its training.
        checkpoint: the student's weights.
        output_dir: must be empty or not exist.
        tell: called with a text at each step.

    Returns:
        The agreement of each form with the bundle.

    Raises:
        FileNotFoundError: When checkpoint or images are missing.
        ImportError: When a package is missing.
        ValueError: When the weights are of another network, a part cannot be exported, or a form in floating point
            differs from the bundle by more than the tolerance. Nothing is written then.
    """
    require_distinct({"output_dir": output_dir}, {"the bundle": bundle.root, "checkpoint": checkpoint})
    chosen = [form for form in FORMS.values() if form.name == "onnx" or form.name in options.forms]
    for name in (name for form in chosen for name in form.packages):
        package(name)
    bundle = bundle.of(checkpoint)
    with ExitStack() as stack:
        stack.enter_context(importable_scripts(bundle.root))  # the network's code may import scripts while it runs
        module = segmenter(bundle, load_weights(bundle.network(), checkpoint), options.raw)
        archives = page_archives(bundle, module, options.runtime_dir) if WEB in options.forms else []
        folder = stack.enter_context(atomic_folder(output_dir))
        tell("Reading images")
        checking, calibration = _records(bundle, options, stack)
        made = samples(bundle, module, checking)
        source = _source(bundle, checkpoint, module, made[0], calibration, folder, options)
        results = {}
        for form in chosen:
            tell(f"Writing and checking {form.files[0]}")
            path = folder / form.files[0]
            path.parent.mkdir(exist_ok=True)
            form.write(source, path)
            results[form.name] = _checked(form, path, module, made, options.tolerance)
        if archives:
            tell("Writing the page")
            write_page(folder / WEB, archives, source.onnx, bundle, module.outputs, source.description)
        write_bundle(folder, bundle, checkpoint)
        report = {**source.description, "raw": options.raw, "outputs": module.outputs, "monai_kd": __version__}
        report |= {"sides": sides_of(source.onnx), **({"windows": windows(bundle)} if options.raw else {})}
        report |= {"float_layers": list(options.float_layers), "forms": {k: asdict(v) for k, v in results.items()}}
        report |= {"files": hashes(folder)}
        write_json(folder / REPORT, report)
    return results


def _records(bundle: Bundle, options: Options, stack: ExitStack) -> tuple[list[Record], list[Record]]:
    """Images for the checks and for the calibration, never from the test part."""
    if options.data is None:
        return stack.enter_context(phantoms(bundle)), []
    parts = options.data.parts()
    training, validation = parts["training"], parts["validation"]
    if options.rounded and len(training) < FEWEST:
        raise ValueError(
            f"{FORMS[options.rounded[0]].title} needs at least {FEWEST} images to calibrate with, got {len(training)} "
            f"training images. Name a larger data set with --dataset-dir, or leave {options.rounded[0]} out of --forms."
        )
    return _spread(validation or training, CHECKED), _spread(training, MOST) if options.rounded else []


def _source(
    bundle: Bundle,
    checkpoint: Path,
    module: Segmenter | RawNetwork,
    sample: Sample,
    calibration: list[Record],
    folder: Path,
    options: Options,
) -> Source:
    return Source(
        module=module,
        image=sample.image,
        network_shape=bundle.input_shape,
        onnx=folder / FORMS["onnx"].files[0],
        images=inputs(bundle, module, calibration),
        float_layers=options.float_layers,
        description=_description(bundle, module, checkpoint),
    )


def _spread(records: list[Record], most: int) -> list[Record]:
    """At most ``most`` records, evenly spaced in the list."""
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


def _checked(
    form: Form, path: Path, module: Segmenter | RawNetwork, made: Sequence[Sample], tolerance: float
) -> Agreement:
    run = load_form(path, module.outputs)
    if form.is_network and isinstance(module, Segmenter):
        run = around(module, load_form(path, ["logits"]))
    agreement = compare(run, made)
    tolerance *= form.slack
    another_mask = (agreement.pixels_that_differ or 0.0) > MASK_TOLERANCE
    if not form.is_rounded and (another_mask or agreement.largest_difference > tolerance):
        raise ValueError(
            f"{form.files[0]} differs from the bundle: {agreement}; the tolerance is {tolerance:g}. Nothing was "
            "written. If the graph misses something that the bundle's transforms do, export with --raw."
        )
    return agreement
