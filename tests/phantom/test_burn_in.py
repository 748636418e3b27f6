# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_kd.phantom import SCANNERS, PhantomSettings, draw_phantom


@pytest.mark.parametrize("probe", ["linear", "curved"])
@pytest.mark.parametrize("scanner", [None, *SCANNERS])
def test_the_box_holds_the_scan_untouched_and_all_else_is_margin(scanner, probe):
    bare = draw_phantom(2, settings=PhantomSettings(scanner=scanner, probe=probe))
    framed = draw_phantom(2, settings=PhantomSettings(scanner=scanner, probe=probe, margins=True))
    left, top, right, bottom = framed.box
    assert np.array_equal(framed.image[top:bottom, left:right], bare.image)
    assert np.array_equal(framed.mask[top:bottom, left:right], bare.mask)
    assert framed.mask.sum() == bare.mask.sum()
    assert (framed.spacing, framed.pathology) == (bare.spacing, bare.pathology)
    assert min(left, top, framed.image.shape[1] - right, framed.image.shape[0] - bottom) > 1
    for margin in (framed.image[:top], framed.image[top:bottom, right:]):
        assert margin.max() > margin[-1, -1] + 100  # text above, a ruler on the right


def test_calipers_give_the_width_of_the_lesion_and_are_absent_without_one():
    drawn, normal = (draw_phantom(2, settings=PhantomSettings(margins=True, normal_fraction=n)) for n in (0, 1))
    below = drawn.image[drawn.box[3] :], normal.image[normal.box[3] :]
    assert np.ptp(below[0]) > 100 and np.ptp(below[1]) == 0


def test_scanners_have_margins_of_their_own():
    boxes = {name: draw_phantom(2, settings=PhantomSettings(scanner=name, margins=True)).box for name in SCANNERS}
    assert len(set(boxes.values())) == len(SCANNERS)
