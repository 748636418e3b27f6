# SPDX-License-Identifier: Apache-2.0
"""Bad input from users and hostile archives: each gives one clear error; see also test_damaged_files."""

from __future__ import annotations

import os
import struct
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image, ImageFile

from monai_kd.data import check_dataset, read_dataset
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.image_format import MAX_PLANE, MAX_VALUES
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.dicom_fixtures import JPEG, write_dicom
from tests.data.layout_fixtures import SIZE, lesion, make_plain, speckle, write_image


def png_of_size(path, width, height):
    """A PNG with a correct header and too few pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return path


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(30_000, 30_000), (8193, 8192), (2**31 - 1, 2**31 - 1), (MAX_PLANE + 1, 1)])
@pytest.mark.parametrize("read", [read_image, read_mask, read_header])
def test_bomb_is_refused_by_its_header(tmp_path, monkeypatch, size, read):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("pixels were decoded"))
    path = png_of_size(tmp_path / "bomb.png", *size)
    with pytest.raises(ValueError, match=r"bomb\.png (is too large|has .* according to its header).*export it smaller"):
        read(path)


def lying(path, shape):
    """A small file whose header gives another shape."""
    suffix = path.name[path.name.index(".") :]
    if suffix in (".nii", ".nii.gz"):
        write_image(path.with_name("true.nii"), speckle(1))
        content = bytearray(path.with_name("true.nii").read_bytes())
        content[40 : 40 + 2 * (1 + len(shape))] = struct.pack(f"<{1 + len(shape)}h", len(shape), *shape)
        if suffix == ".nii":
            path.write_bytes(content)
        else:
            compress = zlib.compressobj(wbits=31)
            path.write_bytes(compress.compress(bytes(content)) + compress.flush())
    elif suffix == ".nrrd":
        sizes = " ".join(map(str, shape))
        header = f"NRRD0004\ntype: uint8\ndimension: {len(shape)}\nsizes: {sizes}\nencoding: raw\n\n"
        path.write_bytes(header.encode() + bytes(1000))
    elif suffix == ".mha":
        sizes = " ".join(map(str, shape))
        header = f"ObjectType = Image\nNDims = {len(shape)}\nDimSize = {sizes}\nElementType = MET_UCHAR\n"
        path.write_bytes(header.encode() + b"ElementDataFile = LOCAL\n" + bytes(1000))
    else:
        write_dicom(path, np.broadcast_to(np.uint8(0), shape[::-1]), frames=shape[2], syntax=JPEG, jpegs=[b"x" * 100])
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"])
@pytest.mark.parametrize(("shape", "message"), [
    ((30_000, 30_000, 1), r"has 30000 × 30000.* pixels according to its header"),
    ((4000, 4000, 40), r"has 4000 × 4000 × 40 pixels according to its header"),
    ((4000, 4000, 5), r"cannot be decoded \(its header says 4000 × 4000 × 5 pixels, but the file has"),
])  # fmt: skip
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_header_that_lies_about_the_size(tmp_path, suffix, shape, message, read):
    path = lying(tmp_path / f"bomb{suffix}", shape)
    with pytest.raises(ValueError, match=rf"bomb{suffix} {message}"):
        read(path)
    assert np.prod((4000, 4000, 40)) > MAX_VALUES > np.prod((4000, 4000, 5))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_pixels_in_another_file_are_refused(tmp_path, suffix):
    """Otherwise a header from elsewhere could show any file of this computer as an image."""
    (tmp_path / "secret").write_bytes(bytes(range(100)))
    if suffix == ".nrrd":
        text = "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 10 10\nencoding: raw\ndata file: ./secret\n\n"
    else:
        text = "ObjectType = Image\nNDims = 2\nDimSize = 10 10\nElementType = MET_UCHAR\nElementDataFile = secret\n"
    (tmp_path / f"1{suffix}").write_text(text)
    with pytest.raises(ValueError, match=rf"1{suffix} takes its pixels from another file\. Save header and pixels in"):
        read_image(tmp_path / f"1{suffix}")


@pytest.mark.parametrize("lines", ["NDims = 92\n", "NDims = 2\nNDims = 92\n", "NDims = 2 9\n", "\0NDims = 2\n", ""])
def test_mha_header_that_would_crash_itk(tmp_path, lines):
    text = f"ObjectType = Image\n{lines}DimSize = 10 10\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (tmp_path / "1.mha").write_bytes(text.encode() + bytes(100))
    with pytest.raises(ValueError, match=r"1\.mha cannot be decoded \(its header is damaged\)"):
        read_image(tmp_path / "1.mha")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("suffix", [".png", ".nii.gz", ".nrrd", ".dcm"])
def test_file_that_may_not_be_read(tmp_path, suffix):
    path = write_image(tmp_path / f"1{suffix}", speckle(1))
    path.chmod(0)
    with pytest.raises(ValueError, match=rf"1{suffix} cannot be opened \(Permission denied\)"):
        read_image(path)


def test_folder_named_as_an_image(tmp_path):
    make_plain(tmp_path, count=3)
    (tmp_path / "images" / "case.2.png").unlink()
    (tmp_path / "images" / "case.2.png").mkdir()
    with pytest.raises(ValueError, match=r"1 of 3 records cannot be used:\n  case\.2: No file .*case\.2\.png"):
        check_dataset(read_dataset(tmp_path))


@pytest.mark.parametrize(("mask", "count"), [
    (np.zeros(SIZE, np.uint8), 0),
    (np.full(SIZE, 255, np.uint8), SIZE[0] * SIZE[1]),
    (np.eye(*SIZE, dtype=np.uint8) * (np.arange(SIZE[1]) == 3), 1),
])  # fmt: skip
def test_masks_at_the_limits_are_allowed(tmp_path, mask, count):
    assert read_mask(write_image(tmp_path / "1.png", mask)).sum() == count


def test_constant_image_is_allowed(tmp_path):
    assert read_image(write_image(tmp_path / "1.png", np.full(SIZE, 7, np.uint8))).unique().tolist() == [7]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".tif"])
def test_values_that_are_no_numbers(tmp_path, suffix, value):
    values = lesion(1).astype(np.float32)
    values[3, 4] = value
    path = write_image(tmp_path / f"1{suffix}", values)
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=rf"1{suffix}.* NaN or infinite values"):
            read(path)


def test_one_damaged_loop_is_reported_with_all_other_problems(tmp_path):
    make_plain(tmp_path, count=5, suffix=".dcm")
    for number in (2, 4):
        path = tmp_path / "images" / f"case.{number}.dcm"
        path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="2 of 5 records cannot be used") as error:
        check_dataset(read_dataset(tmp_path))
    assert "case.2: " in str(error.value)
    assert "case.4: " in str(error.value)


def test_picture_of_another_format_than_its_name(tmp_path):
    Image.fromarray(speckle(1).T).save(tmp_path / "1.bmp")
    (tmp_path / "1.bmp").rename(tmp_path / "1.png")
    np.testing.assert_array_equal(read_image(tmp_path / "1.png").numpy()[0], speckle(1))
    nibabel.save(nibabel.Nifti1Image(speckle(1), np.eye(4)), tmp_path / "2.nii")
    (tmp_path / "2.nii").rename(tmp_path / "2.dcm")
    with pytest.raises(ValueError, match=r"2\.dcm cannot be decoded \(it is not a DICOM file\)"):
        read_image(tmp_path / "2.dcm")
