# SPDX-License-Identifier: Apache-2.0
"""Display settings in the header: which are applied, and which are only reported."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from monai_kd.data import inspect_dataset, list_images
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.reading import read_image
from tests.data.dicom_fixtures import write_dicom
from tests.data.layout_fixtures import make_plain, speckle

pytest.importorskip("itk")

SHAPE, CENTER, WIDTH, INTERCEPT, SLOPE = 0x20500020, 0x00281050, 0x00281051, 0x00281052, 0x00281053


def window(center, width):
    return {CENTER: ("DS", str(center)), WIDTH: ("DS", str(width))}


@pytest.mark.parametrize(("kind", "stored"), [("u1", 8), ("u2", 16), ("u2", 12), ("i2", 16), ("i2", 12)])
@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_inverted_once(tmp_path, kind, stored, photometric, shape, inverted):
    top, low = (2 ** (stored - 1) - 1, -(2 ** (stored - 1))) if kind[0] == "i" else (2**stored - 1, 0)
    values = (speckle(1).astype(int) - (100 if kind[0] == "i" else 0)).astype(kind)
    extra = {SHAPE: ("CS", shape)} if shape else {}
    path = write_dicom(tmp_path / "1.dcm", values.T, photometric, stored=stored, extra=extra)
    if (kind, stored, photometric) == ("i2", 12, "MONOCHROME1"):
        with pytest.raises(ValueError, match=r"1\.dcm cannot be decoded \("):  # GDCM does not support these values
            read_image(path)
        return
    expected = top + low - values.astype(int) if inverted else values
    np.testing.assert_array_equal(read_image(path).numpy()[0], expected)


def test_rescaling_is_applied_also_before_an_inversion(tmp_path):
    rescaling = {SLOPE: ("DS", "2"), INTERCEPT: ("DS", "-10")}
    path = write_dicom(tmp_path / "1.dcm", speckle(1).T, extra=rescaling)
    np.testing.assert_array_equal(read_image(path).numpy()[0], speckle(1) * 2.0 - 10)
    path = write_dicom(tmp_path / "2.dcm", speckle(1).T, extra={**rescaling, SHAPE: ("CS", "INVERSE")})
    np.testing.assert_array_equal(read_image(path).numpy()[0], (255.0 - speckle(1)) * 2 - 10)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({}, ""),
        (window(128, 256), ""),
        (window(127.5, 255), ""),
        (window("127\\40", "255\\80"), ""),
        (window(100, 80), "a VOI window (center 100, width 80)"),
        (window("40\\127", "80\\255"), "a VOI window (center 40, width 80)"),
        (window("", ""), ""),
        (window("x", "1"), ""),
    ],
)
def test_window_is_told_where_it_matters(tmp_path, extra, words):
    path = write_dicom(tmp_path / "1.dcm", speckle(1).T, extra=extra)
    assert read_header(path).display == words
    np.testing.assert_array_equal(read_image(path).numpy()[0], speckle(1))


def test_inspection_and_listing_say_what_is_not_applied(tmp_path, caplog):
    make_plain(tmp_path, count=4, suffix=".dcm")
    for number in (2, 3):
        extra = window(100, 80)
        write_dicom(tmp_path / "images" / f"case.{number}.dcm", speckle(number).T, extra=extra)
    found = inspect_dataset(tmp_path)
    assert found.is_trainable and [problem.ids for problem in found.problems] == [("case.2",), ("case.3",)]
    problem = found.problems[0]
    assert problem.kind == "display setting" and "a VOI window (center 100, width 80)" in problem.message
    assert "not applied" in problem.consequence
    list_images(tmp_path / "images")
    assert "2 DICOM files" in caplog.text and "a VOI window" in caplog.text


@pytest.mark.parametrize(("gamma", "words"), [(100_000, "a gamma of 1"), (45_455, "")])
def test_gamma_of_png(tmp_path, gamma, words):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", gamma.to_bytes(4, "big"))
    Image.fromarray(speckle(1).T).save(tmp_path / "1.png", pnginfo=info)
    assert read_header(tmp_path / "1.png").display == words
    np.testing.assert_array_equal(read_image(tmp_path / "1.png").numpy()[0], speckle(1))
