# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from monai_kd.data.image_files.reading import read_mask
from tests.data.layout_fixtures import SIZE, lesion, speckle, write_image


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"])
@pytest.mark.parametrize("value", [1, 255])
def test_mask_of_either_scale(tmp_path, suffix, value):
    mask = read_mask(write_image(tmp_path / f"1{suffix}", lesion(1).astype(np.uint8) * np.uint8(value)))
    assert mask.shape == (1, *SIZE)
    np.testing.assert_array_equal(mask.numpy()[0], lesion(1))


@pytest.mark.parametrize("colors", [(0, 0, 0, 255, 255, 255), (0, 0, 0, 1, 1, 1), (0, 0, 0, 128, 0, 0)])
def test_palette_mask(tmp_path, colors):
    image = Image.fromarray(lesion(1).T.astype(np.uint8), mode="P")
    image.putpalette(colors)
    image.save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png").numpy()[0], lesion(1))


def test_palette_of_several_classes(tmp_path):
    image = Image.fromarray((speckle(1) % 3).T, mode="P")
    image.putpalette((0, 0, 0, 128, 0, 0, 0, 128, 0))
    image.save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"1\.png is a label map of 3 colors"):
        read_mask(tmp_path / "1.png")


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_colored_mask_counts_by_its_brightest_channel(tmp_path, channel):
    rgb = np.zeros((*SIZE, 3), dtype=np.uint8)
    rgb[..., channel] = lesion(1) * 255
    np.testing.assert_array_equal(read_mask(write_image(tmp_path / "1.png", rgb)).numpy()[0], lesion(1))


def test_mask_that_is_a_photograph_names_file_and_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"1\.png: the mask is not two-level.*Save it with 0 outside the lesion"):
        read_mask(write_image(tmp_path / "1.png", speckle(1)))


def test_masks_are_joined(tmp_path):
    paths = [write_image(tmp_path / f"{seed}.png", lesion(seed)) for seed in (1, 2, 3)]
    joined = read_mask([str(path) for path in paths])
    np.testing.assert_array_equal(joined.numpy()[0], lesion(1) | lesion(2) | lesion(3))
    assert joined.meta["filename_or_obj"] == str(paths[0])


def test_masks_of_different_sizes_are_not_joined(tmp_path):
    paths = [write_image(tmp_path / "1.png", lesion(1)), write_image(tmp_path / "2.png", lesion(1, (9, 8)))]
    with pytest.raises(ValueError, match=r"2\.png is 9 × 8 pixels but .*1\.png is 40 × 28"):
        read_mask(paths)
