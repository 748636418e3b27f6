# SPDX-License-Identifier: Apache-2.0
"""Images to masks by a bundle's student, whatever their format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from monai_kd.bundle.arguments import check_start
from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.finding import find_bundle
from monai_kd.bundle.running_config import Start
from monai_kd.data import Record, list_images
from monai_kd.data.image_files.formats import mask_suffix
from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import first_few

__all__ = ["Segmentation", "Segmented", "segment"]


@dataclass(frozen=True)
class Segmented:
    """
    An image that was segmented.

    Args:
        image: its file.
        mask: the mask's.
        picture: of the image with the mask's contour.
        share: of the image's area that is lesion, 0 to 1.
    """

    image: Path
    mask: Path
    picture: Path
    share: float


@dataclass(frozen=True)
class Segmentation:
    """
    What became of the images.

    Args:
        images: in order.
        checkpoint: the weights.
        is_shipped: whether these came with the bundle, by the hash in the ``weights.json`` beside them; False for
            others of the same name, which a training wrote there.
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
) -> Segmentation:
    """
    Write a mask and a picture with its contour for each image, by the ``inference`` config of a bundle.

    Args:
        images: files, folders of images or data sets, in any format that is read; of a cine loop each frame.
        output_dir: folder of the masks, each in a format that fits its image, and of ``overlays``.
        bundle: its name or folder.
        network: an overlay of ``configs/networks``, such as ``"small"``; None takes the bundle's own student.
        checkpoint: weights; None takes those that the bundle comes with.
        progress: called with the number of images done and of all, after each.

    Returns:
        What was found in each image, and by which weights.

    Raises:
        FileNotFoundError: When there is no such bundle, network, image or checkpoint.
        ValueError: When there is no image, or two would give masks of one name.
        SystemExit: At the end, when an image could not be segmented; the masks of all others are written then.
    """
    records = [record for path in images for record in list_images(path)]
    _require_names(records)
    given: dict[str, Any] = {} if checkpoint is None else {"checkpoint": str(checkpoint)}
    given |= {"dataset_dir": [str(path) for path in images], "dataset#data": records, "output_dir": str(output_dir)}
    workflow = _inference(find_bundle(bundle), network, given)
    folder, found = Path(output_dir), list[Segmented]()

    def collect(engine: Any) -> None:
        for output in engine.state.output:
            mask = output["pred"]
            image, name = Path(mask.meta["filename_or_obj"]), mask_name(mask)
            written = folder / f"{name}{mask_suffix(image)}"
            share = float((mask > 0).float().mean())
            found.append(Segmented(image, written, folder / "overlays" / f"{name}.png", share))
        if progress is not None:
            progress(engine.state.iteration, len(records))

    workflow.evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect)
    workflow.run()
    weights = Path(workflow.parser.get_parsed_content("checkpoint"))
    workflow.finalize()
    return Segmentation(found, weights, _is_shipped(weights))


def _inference(root: Path, network: str | None, given: dict[str, Any]) -> ConfigWorkflow:
    folder = BundleFolder(root)
    files = [folder.find_config("inference")]
    if network is not None:
        files.append(folder.find_overlay(network, "networks"))
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
            f"{len(double)} names of masks are those of several images: {first_few(double)}. Segment them into "
            "different folders."
        )
