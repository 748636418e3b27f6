# SPDX-License-Identifier: Apache-2.0
"""The bundle takes every layout as it stands: two epochs and an evaluation on each."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from monai_kd.phantom import PhantomSettings, write_phantoms
from tests.bundles.conftest import run_bundle
from tests.data.layout_fixtures import (
    lesion,
    make_breast,
    make_bus_bra,
    make_bus_uclm,
    make_busi,
    make_dataset_a,
    make_monai_label,
    make_plain,
    speckle,
)


def make_loops(root):
    """Plain folders with cine loops: TIFF files of four pages, masks of as many."""
    for number in range(6):
        for folder, frames in (
            ("images", [speckle(10 * number + frame) for frame in range(4)]),
            ("labels", [lesion(number).astype(np.uint8) * 255] * 4),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            first, *others = (Image.fromarray(np.ascontiguousarray(frame.T)) for frame in frames)
            first.save(root / folder / f"loop{number}.tiff", save_all=True, append_images=others)
    return root


def make_phantoms(root):
    write_phantoms(root, count=8, settings=PhantomSettings(probe="curved", margins=True, normal_fraction=0.3))
    return root


LAYOUTS = {
    "dataset_a": make_dataset_a,
    "breast": lambda root: make_breast(root, cases=range(1, 10)),
    "bus_bra": make_bus_bra,
    "busi": make_busi,
    "bus_uclm": make_bus_uclm,
    "plain png": make_plain,
    "plain nifti": lambda root: make_plain(root, suffix=".nii.gz", mask_suffix=".png"),
    "plain dicom": lambda root: make_plain(root, suffix=".dcm", mask_suffix=".nrrd"),
    "cine loops": make_loops,
    "phantoms": make_phantoms,
    "study of MONAI Label": make_monai_label,
}


@pytest.mark.parametrize(
    ("layout", "crop_margins"), [*((name, False) for name in LAYOUTS), ("busi", True), ("phantoms", True)]
)
def test_two_epochs_and_an_evaluation(layout, crop_margins, tmp_path):
    root = LAYOUTS[layout](tmp_path / "data")
    common = {
        "dataset_dir": str(root),
        "checkpoint": str(tmp_path / "model.pt"),
        "crop_margins": crop_margins,
    }
    trained = run_bundle("train_student", **{**common, "max_epochs": 2, "output_dir": str(tmp_path / "training")})
    assert trained.trainer.state.epoch == 2
    evaluated = run_bundle("evaluate", **common, output_dir=str(tmp_path / "scores"))
    with (tmp_path / "scores" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [record["id"] for record in evaluated.dataset.data]
    run_bundle("inference", **common, output_dir=str(tmp_path / "masks"))
    assert len(list((tmp_path / "masks").iterdir())) >= len(rows)
