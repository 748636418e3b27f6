# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, ResizeD, ScaleIntensityD
from PIL import Image, ImageDraw

from monai_kd.transforms import CropMargins, CropMarginsd, scan_area

SIZE, BOX = (400, 300), (60, 40, 340, 270)  # W, H; left, top, right, bottom of the picture


def screenshot(margin: int = 0, box: tuple[int, ...] = BOX) -> torch.Tensor:
    """A console's screen (1, W, H): a picture of speckle, lines of text above and beside it, a gray-scale bar."""
    screen = Image.new("L", SIZE, margin)
    draw = ImageDraw.Draw(screen)
    draw.text((5, 5), "BREAST LEFT 12L-RS  FR 24 Hz  MI 1.1", fill=230)
    draw.text((box[2] + 5, 60), "Gn 52\nDR 66\nD 4.0 cm", fill=230)
    for row in range(100):
        draw.line((box[2] + 45, 100 + row, box[2] + 52, 100 + row), fill=255 - 2 * row)
    values = np.asarray(screen).copy()
    left, top, right, bottom = box
    random = np.random.default_rng(0)
    values[top:bottom, left:right] = np.clip(random.rayleigh(50, (bottom - top, right - left)) + 20, 0, 255)
    return torch.from_numpy(values.T.astype(np.float32))[None]


def extent(mask: torch.Tensor) -> list[int]:
    found = mask[0].nonzero()
    return [*found.min(0).values.tolist(), *(found.max(0).values + 1).tolist()]


@pytest.mark.parametrize("margin", [0, 30])
def test_the_picture_is_found_between_text_and_scale_bar(margin):
    assert np.abs(np.subtract(extent(scan_area(screenshot(margin))), BOX)).max() <= 2


@pytest.mark.parametrize("scale", [1 / 255, 257.0])
def test_the_range_of_the_gray_values_does_not_matter(scale):
    assert torch.equal(scan_area(screenshot() * scale), scan_area(screenshot()))


def test_a_fan_is_found_with_its_tip_and_corners():
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]), indexing="ij")
    radius, angle = np.hypot(x - 200, y + 80), np.arctan2(x - 200, y + 80)
    fan = (radius > 110) & (radius < 350) & (np.abs(angle) < 0.5)
    image = torch.from_numpy(fan * np.random.default_rng(0).rayleigh(60, SIZE)).float()[None]
    expected = extent(torch.from_numpy(fan)[None])
    assert np.abs(np.subtract(extent(scan_area(image)), expected)).max() <= 8


@pytest.mark.parametrize("image", [torch.zeros(1, 40, 30), torch.full((1, 40, 30), 7.0)])
def test_a_constant_image_is_kept_whole(image):
    assert CropMargins()(image).shape == image.shape


def test_an_image_without_margins_is_kept_whole():
    image = screenshot(box=(0, 0, *SIZE))
    assert CropMargins()(image).shape == image.shape


def test_a_dark_lesion_at_the_picture_s_edge_is_kept():
    image = screenshot()
    image[:, 60:120, 120:180] = 0
    assert np.abs(np.subtract(extent(scan_area(image)), BOX)).max() <= 2


def test_margin_keeps_pixels_around_the_box_where_there_are_some():
    _, width, height = CropMargins()(screenshot()).shape
    assert CropMargins(margin=10)(screenshot()).shape == (1, width + 20, height + 20)
    assert CropMargins(margin=200)(screenshot()).shape == (1, *SIZE)


def test_volumes_and_images_of_several_channels():
    volume = screenshot()[..., None].repeat(3, 1, 1, 20)
    assert CropMargins()(volume).shape == (3, *CropMargins()(screenshot()).shape[1:], 20)


def test_image_and_label_are_cropped_alike_and_a_prediction_is_put_back():
    image = MetaTensor(screenshot())
    label = MetaTensor(torch.zeros(1, *SIZE))
    label[:, 150:200, 100:140] = 1
    transform = Compose([CropMarginsd(["image", "label"]), ScaleIntensityD("image")])
    cropped = transform({"image": image, "label": label})
    assert cropped["image"].shape == cropped["label"].shape == CropMargins()(screenshot()).shape
    assert set(cropped) == {"image", "label"}
    prediction = {**cropped, "pred": cropped["label"].clone()}
    restored = Invertd("pred", transform, orig_keys="image", nearest_interp=True)(prediction)
    assert torch.equal(restored["pred"], label)


def test_works_with_what_follows_in_a_pipeline_and_without_a_label():
    pipeline = Compose([CropMarginsd(["image", "label"], allow_missing_keys=True), ResizeD("image", (64, 64))])
    assert pipeline({"image": MetaTensor(screenshot())})["image"].shape == (1, 64, 64)
