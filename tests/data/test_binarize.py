# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_kd.data.image_files.binarize import binarize
from tests.data.layout_fixtures import lesion, speckle

MASK = lesion(1, (120, 90))


def through(mask, **save):
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, **save)
    return np.asarray(Image.open(stream))


def labels(*levels):
    """Stripes of one value each, wide enough to be classes and not edges."""
    return np.repeat(np.array(levels), 30)[:, None].repeat(40, axis=1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("value", [1, 2, 128, 255])
def test_zero_and_one_other_value(dtype, value):
    mask = binarize((MASK * value).astype(dtype))
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, MASK)


def test_16_bit_mask():
    np.testing.assert_array_equal(binarize(MASK * np.uint16(65535)), MASK)


def test_empty_mask_is_allowed():
    assert not binarize(np.zeros((5, 4), dtype=np.uint8)).any()


@pytest.mark.parametrize("value", [1, 255])
def test_full_mask_is_allowed(value):
    assert binarize(np.full((5, 4), value, dtype=np.uint8)).all()


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
def test_jpeg_mask(quality):
    assert (binarize(through(MASK, format="jpeg", quality=quality)) != MASK).mean() < 0.005


@pytest.mark.parametrize("scale", [0.5, 2, 6])
def test_antialiased_mask(scale):
    size = round(90 * scale), round(120 * scale)
    smooth = np.asarray(Image.fromarray(MASK.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    assert len(np.unique(smooth)) > 4
    expected = np.asarray(Image.fromarray(MASK).resize(size, Image.Resampling.NEAREST))
    assert (binarize(smooth) != expected).mean() < 0.02
    np.testing.assert_array_equal(binarize(smooth.astype(np.float32) / 255), binarize(smooth))
    np.testing.assert_array_equal(binarize(smooth.astype(np.uint16) * 257), binarize(smooth))


def test_mask_enlarged_many_times():
    small = lesion(1, (60, 45))
    smooth = np.asarray(Image.fromarray(small.astype(np.uint8) * 255).resize((1080, 1440), Image.Resampling.BILINEAR))
    assert (binarize(smooth) != small.repeat(24, axis=0).repeat(24, axis=1)).mean() < 0.02


def test_volume():
    volume = lesion(2, (20, 16, 12))
    np.testing.assert_array_equal(binarize(volume.astype(np.uint8) * 255), volume)


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (labels(0, 1, 2), "the values 0, 1, 2"),
        (labels(0, 1, 255), "the values 0, 1, 255"),
        (labels(0, 127, 255), "the values 0, 127, 255"),
        (labels(0, 1, 2, 3, 4, 5), "the values 0, 1, 2, 3, 4, 5"),
        (labels(0, 64, 128, 192, 255), "the values 0, 64, 128, 192, 255"),
        (labels(0, 0, 20, 128, 240, 255, 255), "the values 0, 20, 128, 240, 255"),
        (labels(1, 2), "the values 1, 2"),
        (labels(127, 255), "the values 127, 255"),
        (labels(7), "the values 7"),
        (labels(0.0, 0.3, 1.0), "the values 0, 0.3, 1"),
        (np.linspace(0, 255, 4000).astype(np.uint8).reshape(80, 50), "256 different values from 0 to 255"),
        (speckle(1, (80, 60)), "256 different values from 0 to 255"),
        (speckle(1, (80, 60)) // 4, "64 different values from 0 to 63"),
    ],
)
def test_what_is_not_two_level_is_refused_with_its_values(values, described):
    with pytest.raises(ValueError, match=f"not two-level; it holds {described}$"):
        binarize(values)


def test_negative_and_non_finite_values_are_refused():
    with pytest.raises(ValueError, match="negative values"):
        binarize(labels(-1, 0))
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            binarize(labels(0.0, value))
