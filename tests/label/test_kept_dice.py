# SPDX-License-Identifier: Apache-2.0
"""Dice of predictions against the annotator's corrections."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("monailabel")

from monai_kd.label.studies.datastore import StudyDatastore
from monai_kd.label.studies.kept_dice import Dice

SIZE = (20, 16)


def test_dice_of_what_was_kept(tmp_path):
    Image.new("L", SIZE, 100).save(tmp_path / "a.png")
    datastore = StudyDatastore(str(tmp_path), extensions=["*.png"])

    def save(width, tag):
        mask = np.zeros(SIZE[::-1], dtype=np.uint8)
        mask[:, :width] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        datastore.save_label("a", str(tmp_path / "mask.png"), tag, {})

    dice = Dice()
    assert dice({}, datastore) == {"dice": {}}
    save(10, "original")
    save(5, "final")
    assert dice({}, datastore)["dice"]["a"] == pytest.approx(2 * 5 / 15)
    assert dice.missing(datastore) == [] and datastore.get_label_info("a", "original")["dice"] == pytest.approx(2 / 3)
