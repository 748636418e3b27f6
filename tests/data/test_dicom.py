# SPDX-License-Identifier: Apache-2.0
"""DICOM of every kind that ultrasound machines write: the values are those of the picture on the screen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.dicom_fixtures import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    ULTRASOUND_VOLUME,
    write_dicom,
)
from tests.data.layout_fixtures import SIZE, lesion, speckle

pytest.importorskip("itk")


def smooth():
    """(H, W, 3) colors that survive compression."""
    x, y = np.meshgrid(np.linspace(0, 255, SIZE[0]), np.linspace(0, 255, SIZE[1]))
    return np.stack([x, y, (x + y) / 2], axis=-1).astype(np.uint8)


def gray_of(rgb):
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


def jpeg(values):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_in_every_uncompressed_syntax(tmp_path, syntax, dtype):
    values = speckle(1).astype(dtype) * (1 if dtype == np.uint8 else 257)
    path = write_dicom(tmp_path / "1.dcm", values.T, syntax=syntax, patient="P 7")
    np.testing.assert_array_equal(read_image(path).numpy()[0], values)
    header = read_header(path)
    assert header.shape == SIZE
    assert header.patient == "P 7"
    assert not header.is_loop


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_inverted(tmp_path, dtype):
    values = speckle(1).astype(dtype)
    path = write_dicom(tmp_path / "1.dcm", values.T, photometric="MONOCHROME1")
    np.testing.assert_array_equal(read_image(path).numpy()[0], np.iinfo(dtype).max - values)


@pytest.mark.parametrize("kind", ["RGB", "RGB in planes", "YBR_FULL", "YBR_FULL_422", "JPEG", "PALETTE COLOR"])
def test_color_becomes_gray(tmp_path, kind):
    rgb = smooth()
    ycc = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    path = tmp_path / "1.dcm"
    if kind == "RGB in planes":
        write_dicom(path, rgb, "RGB", planar=1, pixels=rgb.transpose(2, 0, 1).tobytes())
    elif kind == "YBR_FULL":
        write_dicom(path, ycc, kind)
    elif kind == "YBR_FULL_422":
        pairs = np.stack([ycc[:, ::2, 0], ycc[:, 1::2, 0], ycc[:, ::2, 1], ycc[:, ::2, 2]], axis=-1)
        write_dicom(path, rgb, kind, pixels=pairs.tobytes())
    elif kind == "JPEG":
        write_dicom(path, rgb, "YBR_FULL_422", syntax=JPEG, jpegs=[jpeg(rgb)])
    elif kind == "PALETTE COLOR":
        palette = np.linspace(0, 65535, 256).astype(np.uint16)
        write_dicom(path, rgb[..., 0], kind, palette=np.stack([palette] * 3))
        rgb = np.stack([palette[rgb[..., 0]] >> 8] * 3, axis=-1)
    else:
        write_dicom(path, rgb, kind)
    image = read_image(path)
    assert image.shape == (1, *SIZE)
    assert np.abs(image.numpy()[0] - gray_of(rgb).T).max() <= (1 if kind in ("RGB", "RGB in planes") else 6)


def test_colored_mask(tmp_path):
    mask = lesion(1)
    rgb = np.zeros((*SIZE, 3), dtype=np.uint8)
    rgb[mask, 1] = 255
    path = write_dicom(tmp_path / "1.dcm", rgb.transpose(1, 0, 2), "RGB")
    np.testing.assert_array_equal(read_mask(path).numpy()[0], mask)


@pytest.mark.parametrize("compressed", [False, True])
def test_loop_and_volume_by_the_header_alone(tmp_path, compressed):
    values = np.stack([speckle(seed).T for seed in range(3)])
    kind = {"syntax": JPEG, "jpegs": [jpeg(frame) for frame in values]} if compressed else {}
    loop = read_header(write_dicom(tmp_path / "1.dcm", values, frames=3, **kind))
    assert loop.is_loop
    assert loop.shape == (*SIZE, 3)
    volume = read_header(write_dicom(tmp_path / "2.dcm", values, frames=3, storage=ULTRASOUND_VOLUME, **kind))
    assert not volume.is_loop
    assert volume.shape == (*SIZE, 3)


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        (np.zeros((28, 40), np.uint8), {"pixels": bytes(500)}, "holds 500 bytes of pixels, .* says 1120"),
        (np.zeros((28, 40), np.uint8), {"frames": 3}, "holds 1120 bytes of pixels, .* says 3360"),
        (np.zeros((28, 40), np.uint8), {"frames": 0}, "number of frames is '0'"),
        (np.zeros((0, 40), np.uint8), {}, "without an image"),
    ],
)
def test_header_that_lies_is_refused(tmp_path, values, changes, message):
    """ITK reads such files without an error, and invents the pixels."""
    path = write_dicom(tmp_path / "1.dcm", values, **changes)
    with pytest.raises(ValueError, match=rf"1\.dcm cannot be decoded \(.*{message}"):
        read_image(path)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_cut_off_at_any_place(tmp_path, part):
    path = write_dicom(tmp_path / "1.dcm", speckle(1).T)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r"1\.dcm cannot be decoded"):
        read_image(path)
