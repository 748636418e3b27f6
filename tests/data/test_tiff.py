# SPDX-License-Identifier: Apache-2.0
"""TIFF of every number type, with 0 as black or as white, as viewers show it."""

from __future__ import annotations

import numpy as np
import pytest

from monai_kd.data import LoadUltrasoundd
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.layout_fixtures import lesion, speckle
from tests.data.picture_fixtures import DEFLATE, RAW, stored, write_tiff


@pytest.mark.parametrize("compression", [RAW, DEFLATE])
@pytest.mark.parametrize(("kind", "order", "top"), [("u1", "<", 255), ("u1", ">", 255), ("u2", "<", 65535)])
def test_white_is_zero(tmp_path, kind, order, top, compression):
    values = speckle(1).astype(kind)
    path = write_tiff(tmp_path / "1.tif", [values.T], (), True, order, compression)
    np.testing.assert_array_equal(read_image(path).numpy()[0], top - values.astype(float))
    mask = (~lesion(1)).astype(kind) * np.array(top, kind)
    np.testing.assert_array_equal(
        read_mask(write_tiff(tmp_path / "2.tif", [mask.T], (), True, order, compression)).numpy()[0], lesion(1)
    )


@pytest.mark.parametrize("tag", [3, 6])
def test_white_is_zero_and_turned(tmp_path, tag):
    values = speckle(1).astype(np.uint16)
    path = write_tiff(tmp_path / "1.tif", [stored(values.T, tag)], (tag,), white_is_zero=True)
    np.testing.assert_array_equal(read_image(path).numpy()[0], 65535.0 - values)


@pytest.mark.parametrize("kind", ["u2", "u4", "i1", "i2", "i4", "f4"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [RAW, DEFLATE])
def test_numbers_are_read_as_their_type_says_or_refused(tmp_path, kind, order, compression):
    values = speckle(1).astype(float) * (1 if kind == "i1" else 8e6 if kind[1] == "4" else 100)
    values = (values - (128 if kind == "i1" else 0 if kind[0] == "u" else 1000)).astype(kind)
    path = write_tiff(tmp_path / "1.tif", [values.T], order=order, compression=compression)
    try:
        read = read_image(path).numpy()[0]
    except ValueError as error:
        assert order == ">", error
        assert (kind == "u4" and "cannot be decoded" in str(error)) or (compression and "big-endian" in str(error))
        return
    np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize("kind", ["u2", "u4", "i1", "i2", "i4", "f4", "f8", "u8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_white_is_zero_in_other_types_is_right_or_refused(tmp_path, kind, order):
    path = write_tiff(tmp_path / "1.tif", [speckle(1).T.astype(kind)], (), True, order)
    try:
        read = read_image(path).numpy()[0]
    except ValueError as error:
        assert str(error).startswith(str(path)) and str(error).count(".tif") == 1
        return
    np.testing.assert_array_equal(read, 65535.0 - speckle(1))


def test_signed_values_are_no_gray_values_of_8_bits(tmp_path):
    path = write_tiff(tmp_path / "1.tif", [(speckle(1).astype(int) - 128).astype(np.int8).T])
    with pytest.raises(ValueError, match=r"1\.tif holds values from -128 to 127, but gray values from 0 to 255"):
        LoadUltrasoundd("image", eight_bit=True)({"image": path})


def test_floats_of_which_white_is_zero(tmp_path):
    path = write_tiff(tmp_path / "1.tif", [speckle(1).T.astype(np.float32)], white_is_zero=True)
    with pytest.raises(ValueError, match=r"1\.tif holds floats with 0 as white.*Export it with 0 as black"):
        read_image(path)
