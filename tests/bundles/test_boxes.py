# SPDX-License-Identifier: Apache-2.0
"""The recipe for boxes: a student learns the same whether its boxes come from masks or are given directly."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from monai_kd.data import choose_split, read_dataset
from monai_kd.networks.teachers.prompted_teacher import lesion_boxes
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import run_bundle


def train(data, output, split):
    run_bundle(
        ["train", "recipes/boxes"],
        dataset_dir=str(data),
        split=split,
        output_dir=str(output),
        checkpoint=str(output / "model.pt"),
        box_jitter=2.0,
        steps_per_epoch=2,
        max_epochs=2,
        **{"teacher_def#network": {"_target_": "tests.networks.inside.Ellipse"}},
    )
    return torch.load(output / "model.pt", weights_only=True)


def test_masks_and_their_boxes_teach_the_same(tmp_path):
    """Only a mask's box reaches the student, not its pixels."""
    for name in ("masks", "boxes"):
        write_phantoms(tmp_path / name, 12)
        for record in read_dataset(tmp_path / name):
            for file in (record["image"], record["label"]):  # else resizing may lose the pixel at which a box ends
                with Image.open(file) as picture:
                    picture.convert("L").resize((32, 32), Image.Resampling.NEAREST).save(file)
    split = choose_split(tmp_path / "masks", check=False)
    for record in read_dataset(tmp_path / "boxes"):
        mask = np.asarray(Image.open(record["label"])) > 0
        filled = np.zeros_like(mask)
        for x0, y0, x1, y1 in lesion_boxes(mask):
            filled[int(y0) : int(y1), int(x0) : int(x1)] = True
        Image.fromarray(filled.astype(np.uint8) * 255).save(record["label"])
    of_masks, of_boxes = (train(tmp_path / name, tmp_path / f"{name}_run", split) for name in ("masks", "boxes"))
    same = [torch.equal(value, of_boxes[name]) for name, value in of_masks.items()]
    assert all(same)
