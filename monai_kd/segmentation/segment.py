# SPDX-License-Identifier: Apache-2.0
"""Segment images in any supported format with a bundle's student."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from monai_kd.bundle.argument_checks import check_start
from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.finding import find_bundle
from monai_kd.bundle.running_config import Start
from monai_kd.data import Record, list_images
from monai_kd.segmentation.outputs import Outputs
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import first_few

__all__ = ["Segmentation", "Segmented", "segment"]


@dataclass(frozen=True)
class Segmented:
    """
    An image, its mask, a picture of both, and the lesion's share of the image's area (0 to 1).

    ``frame`` is the number of a loop's frame, from 0 as in the names of the files; None for other images.
    """

    image: Path
    mask: Path
    picture: Path
    share: float
    frame: int | None = None


@dataclass(frozen=True)
class Segmentation:
    """
    The results for all images, and the file of the weights.

    ``is_shipped`` says whether these weights came with the bundle, by their hash in ``weights.json``. It is False if a
    training has written its own weights to this file.
    """

    images: list[Segmented]
    checkpoint: Path
    is_shipped: bool


def segment(
    images: Sequence[str | PathLike[str]],
    output_dir: str | PathLike[str],
    bundle: str | Path = "breast_ultrasound_segmentation",
    network: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    mask_format: str = "image",
    picture_format: str = "png",
    smooth_frames: int = 1,
) -> Segmentation:
    """
    Write a mask, and a picture with its contour, for each image, with the ``inference`` config of a bundle.

    Args:
        images: files, folders of images or data sets, in any supported format; every frame of a cine loop is segmented.
        output_dir: folder of the masks, each in a format that fits its image, and of ``overlays``.
        bundle: its name or folder.
        network: an overlay of ``configs/networks``, such as ``"small"``; None takes the bundle's own student.
        checkpoint: weights; None takes the bundle's own.
        progress: called after each image with the number of images done and of all.
        mask_format: ``"image"`` takes a format that fits the image, ``"dicom-seg"`` writes DICOM Segmentations.
        picture_format: ``"png"``, or ``"dicom-sc"`` for DICOM Secondary Captures.
        smooth_frames: number of frames of a loop over which the logits are averaged
            (``monai_kd.engines.TemporalSmoothingInferer``); 1 does not average.

    Raises:
        FileNotFoundError: When the bundle, the network, an image or the checkpoint does not exist.
        ImportError: When DICOM is to be written and highdicom is not installed.
        ValueError: When there is no image, two images would give masks of the same name, a format is unknown, DICOM is
            to be written of other images, or the bundle is not made for this function.
        SystemExit: At the end, when an image could not be segmented. The masks of all others are written.
    """
    records = [record for path in images for record in list_images(path)]
    _require_names(records)
    outputs = Outputs.of(Path(output_dir), mask_format, picture_format, smooth_frames)
    outputs.require_fitting(Path(record["image"]) for record in records)
    given: dict[str, Any] = {} if checkpoint is None else {"checkpoint": str(checkpoint)}
    given |= {"dataset_dir": [str(path) for path in images], "dataset#data": records, "output_dir": str(output_dir)}
    workflow = _inference(find_bundle(bundle), network, outputs.overlays, {**given, **outputs.settings})
    found = list[Segmented]()

    def collect(engine: Any) -> None:
        for output in engine.state.output:
            mask = output["pred"]
            share = float((mask > 0).float().mean())
            image = Path(mask.meta["filename_or_obj"])
            frame = int(mask.meta.get("frame", -1))
            files = outputs.mask_file(mask), outputs.picture_file(mask)
            found.append(Segmented(image, *files, share, frame if frame >= 0 else None))
        if progress is not None:
            progress(engine.state.iteration, len(records))

    workflow.evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect)
    workflow.run()
    weights = Path(workflow.parser.get_parsed_content("checkpoint"))
    workflow.finalize()
    return Segmentation(found, weights, _is_shipped(weights))


def _inference(root: Path, network: str | None, overlays: Sequence[str], given: dict[str, Any]) -> ConfigWorkflow:
    folder = BundleFolder(root)
    if "overlays" not in folder.config("inference"):
        raise ValueError(
            f"'{root}' has an inference of its own, which this command does not know. Run it: python -m monai_kd run "
            f"inference --bundle {root} --dataset-dir DIR --output-dir DIR."
        )
    files = [folder.find_config("inference")]
    if network is not None:
        files.append(folder.find_overlay(network, "networks"))
    files += [folder.find_overlay(name) for name in overlays]
    names = [str(file) for file in files]
    arguments = {"bundle_root": str(root), "overlays": True, "quiet": True, **given}
    check_start(Start.of(names, arguments, None))
    workflow = ConfigWorkflow(names, logging_file=False, workflow_type="infer", **arguments)
    workflow.initialize()
    return workflow


def _is_shipped(weights: Path) -> bool:
    known = weights.with_name("weights.json")
    told = read_json(known).get(weights.name, {}) if known.is_file() else {}
    return bool(told) and told["sha256"] == sha256(weights)


def _require_names(records: Sequence[Record]) -> None:
    files = defaultdict(list)
    for record in records:
        files[record["id"]].append(record["image"])
    double = [" = ".join(map(str, same)) for same in files.values() if len(same) > 1]
    if double:
        raise ValueError(
            f"Several images would give masks of the same name ({len(double)} names): {first_few(double)}. Segment "
            "them into different folders."
        )
