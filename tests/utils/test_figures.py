# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image

from monai_kd.utils.figures import GREEN, RED, comparison, contour, overlay


def rectangle(height=12, width=20, rows=slice(3, 9), columns=slice(4, 14)):
    mask = np.zeros((height, width), dtype=bool)
    mask[rows, columns] = True
    return mask


def drawn(picture, color):
    return (picture == color).all(-1)


@pytest.mark.parametrize("width", [1, 2])
def test_contour_is_the_inner_boundary(width):
    mask = rectangle()
    inner = np.zeros_like(mask)
    inner[3 + width : 9 - width, 4 + width : 14 - width] = True
    np.testing.assert_array_equal(contour(mask, width), mask & ~inner)


def test_contour_runs_along_the_edge_of_the_image():
    line = contour(np.ones((5, 7), dtype=bool))
    assert line.sum() == 2 * 7 + 2 * 3
    assert line[0].all() and line[:, -1].all() and not line[1:-1, 1:-1].any()


def test_contour_has_no_pixel_outside_and_finds_small_masks():
    assert not contour(np.zeros((4, 4), dtype=bool)).any()
    dot = np.zeros((5, 5), dtype=bool)
    dot[2, 2] = True
    np.testing.assert_array_equal(contour(dot), dot)
    np.testing.assert_array_equal(contour(dot, 3), dot)


@pytest.mark.parametrize("low", [-3.0, 0.0, 1000.0])
def test_gray_spans_black_to_white(low):
    image = low + np.linspace(0, 7, 240).reshape(12, 20)
    picture = overlay(image, [])
    assert picture.shape == (12, 20, 3) and picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[-1, -1].tolist() == [255, 255, 255]
    assert (picture == picture[..., :1]).all()
    assert (np.diff(picture[..., 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_any_type_of_image_gives_the_same_picture(dtype):
    image = (np.arange(240) % 100).reshape(12, 20)
    np.testing.assert_array_equal(overlay(image.astype(dtype), []), overlay(image.astype(float), []))


def test_image_of_one_value_is_black():
    assert overlay(np.full((4, 4), 7.0), []).max() == 0


def test_image_is_not_changed():
    image, mask = np.linspace(0, 1, 240).reshape(12, 20), rectangle()
    before = image.copy(), mask.copy()
    overlay(image, [(mask, RED)])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_contours_in_their_colors_the_later_on_top():
    left, right = rectangle(columns=slice(2, 9)), rectangle(columns=slice(5, 15))
    picture = overlay(np.zeros((12, 20)), [(left, GREEN), (right.astype(np.float32), RED)])
    np.testing.assert_array_equal(drawn(picture, RED), contour(right))
    np.testing.assert_array_equal(drawn(picture, GREEN), contour(left) & ~contour(right))
    assert not picture[~contour(left) & ~contour(right)].any()


@pytest.mark.parametrize(("side", "width"), [(20, 1), (200, 1), (600, 3)])
def test_lines_are_as_wide_as_the_image_needs(side, width):
    mask = rectangle(side, side // 2, slice(3, side - 3), slice(3, side // 2 - 3))
    picture = overlay(np.zeros(mask.shape), [(mask, RED)])
    np.testing.assert_array_equal(drawn(picture, RED), contour(mask, width))
    np.testing.assert_array_equal(drawn(overlay(np.zeros(mask.shape), [(mask, RED)], width=2), RED), contour(mask, 2))


@pytest.fixture
def case(tmp_path):
    """Two images, their masks, and the overlays of two models."""
    records = []
    for name in ("a", "b"):
        record = {"id": name, "image": tmp_path / f"{name}.png", "label": tmp_path / f"{name}_mask.png"}
        Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20)).save(record["image"])
        Image.fromarray(rectangle()).save(record["label"])
        records.append(record)
    overlays = {}
    for model in ("teacher", "student"):
        overlays[model] = tmp_path / model
        overlays[model].mkdir()
        for name in ("a", "b"):
            Image.fromarray(overlay(np.zeros((12, 20)), [(rectangle(), RED)])).save(overlays[model] / f"{name}.png")
    return records, overlays, [{"a": 0.5, "b": 1.0}, {"a": 0.0, "b": 0.123}]


def test_comparison_is_a_picture_of_all(case, tmp_path):
    target = tmp_path / "new" / "report.png"
    comparison(*case, target)
    with Image.open(target) as picture:
        pixels = np.asarray(picture.convert("RGB"))
        # Three inches wide and two and a half high for each picture, at 80 dots per inch.
        assert (picture.format, picture.size) == ("PNG", (4 * 240, 2 * 200))
    green, red = (np.abs(pixels.astype(int) - color).sum(-1) < 60 for color in (GREEN, RED))
    columns = np.arange(pixels.shape[1]) // 240
    assert set(columns[green.any(0)]) == {1} and set(columns[red.any(0)]) == {2, 3}
    assert list(target.parent.iterdir()) == [target]


def test_comparison_that_fails_leaves_nothing(case, tmp_path):
    (case[1]["student"] / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        comparison(*case, tmp_path / "new" / "report.png")
    assert not (tmp_path / "new").exists()
