# SPDX-License-Identifier: Apache-2.0
"""The figure of docs/label.md."""

import sys

import numpy as np
import pytest
from PIL import Image

from tests.label.conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from annotating_figure import Answer, save


def answer(mask_side):
    """A square lesion of 20 pixels, and a mask of another side."""
    image, label, mask = np.full((60, 80), 90, np.uint8), np.zeros((60, 80)), np.zeros((60, 80))
    label[10:30, 10:30] = 1
    mask[10 : 10 + mask_side, 10:30] = 255
    return Answer(image, label, mask)


def test_dice_is_that_of_label_and_mask():
    assert [answer(side).dice for side in (20, 10, 0)] == [1, pytest.approx(2 * 200 / 600), 0]
    assert Answer(*(np.zeros((4, 4)) for _ in range(3))).dice == 0


def test_the_typical_image_is_drawn(tmp_path):
    """The image whose gain is nearest to the mean, and not the one of the largest gain."""
    drawn = []
    for name, largest in (("a", 5), ("b", 6)):
        before = {"none": answer(10), "some": answer(10), "most": answer(largest)}
        after = {"none": answer(10), "some": answer(14), "most": answer(20)}
        save({"first": answer(8)}, before, after, tmp_path / f"{name}.png")
        drawn.append((tmp_path / f"{name}.png").read_bytes())
    assert drawn[0] == drawn[1]
    save({"first": answer(9)}, before, after, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes() != drawn[0]


def test_the_page_shows_it_small_enough_for_a_phone():
    page, path = ROOT / "docs" / "label.md", ROOT / "docs" / "images" / "label.png"
    assert "](images/label.png)" in page.read_text() and "--figure docs/images/label.png" in page.read_text()
    assert path.stat().st_size < 150_000 and 400 <= Image.open(path).width <= 800
