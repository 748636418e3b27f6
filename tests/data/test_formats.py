# SPDX-License-Identifier: Apache-2.0
"""Every format with every depth and kind of color that its library writes."""

from __future__ import annotations

import unicodedata

import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_kd.data import LoadUltrasoundd, list_images, read_dataset, save_mask
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.layout_fixtures import SIZE, lesion, make_plain, speckle, write_image

RASTER = [".png", ".jpg", ".bmp", ".tif"]
VOLUMETRIC = [".nii", ".nii.gz", ".nrrd", ".mha"]
NRRD_TYPES = {
    "i1": ("int8", "MET_CHAR"),
    "u2": ("uint16", "MET_USHORT"),
    "i2": ("int16", "MET_SHORT"),
    "u4": ("uint32", "MET_UINT"),
    "i4": ("int32", "MET_INT"),
    "u8": ("uint64", "MET_ULONG_LONG"),
    "i8": ("int64", "MET_LONG_LONG"),
    "f4": ("float", "MET_FLOAT"),
    "f8": ("double", "MET_DOUBLE"),
}


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(suffix, mode) for suffix in RASTER for mode in ("L", "RGB")]
    + [(suffix, mode) for suffix in (".png", ".bmp", ".tif") for mode in ("1", "P", "RGBA")]
    + [(".png", "LA"), (".png", "I;16"), (".tif", "I;16"), (".tif", "F"), (".jpg", "CMYK"), (".tif", "CMYK")],
)
def test_mask_and_image_of_every_raster_kind(tmp_path, suffix, mode):
    mask = lesion(1, (80, 56))
    picture = Image.fromarray(mask.T.astype(np.uint8) * 255)
    deep = {"I;16": np.uint16, "F": np.float32}
    if mode in deep:
        picture = Image.fromarray(np.asarray(picture).astype(deep[mode]) * (257 if mode == "I;16" else 1))
    path = tmp_path / f"1{suffix}"
    (picture if picture.mode == mode or mode in deep else picture.convert(mode)).save(path)
    top = 65535 if mode == "I;16" else 255
    assert np.abs(read_image(path).numpy()[0] - mask * top).max() <= (60 if suffix == ".jpg" else 0)
    wrong = (read_mask(path).numpy()[0] != mask).mean()
    assert wrong <= (0.02 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_every_compression_of_tiff(tmp_path, compression):
    mask = lesion(1)
    Image.fromarray(mask.T.astype(np.uint8) * 255).save(tmp_path / "1.tif", compression=compression)
    assert (read_mask(tmp_path / "1.tif").numpy()[0] != mask).mean() <= (0.02 if compression == "jpeg" else 0)


@pytest.mark.parametrize("dtype", ["u1", *NRRD_TYPES])
@pytest.mark.parametrize("suffix", VOLUMETRIC)
def test_every_number_type(tmp_path, suffix, dtype):
    values = (speckle(1) // 3).astype(dtype)
    path = tmp_path / f"1{suffix}"
    nrrd, mha = NRRD_TYPES.get(dtype, ("uint8", "MET_UCHAR"))
    if suffix == ".nrrd":
        header = f"NRRD0004\ntype: {nrrd}\ndimension: 2\nsizes: 40 28\nendian: little\nencoding: raw\n\n"
        path.write_bytes(header.encode() + values.T.tobytes())
    elif suffix == ".mha":
        header = f"ObjectType = Image\nNDims = 2\nDimSize = 40 28\nElementType = {mha}\nElementDataFile = LOCAL\n"
        path.write_bytes(header.encode() + values.T.tobytes())
    else:
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4), dtype=values.dtype), path)
    np.testing.assert_array_equal(read_image(path).numpy()[0], values)
    np.testing.assert_array_equal(read_mask(_scaled(path, values)).numpy()[0], values > 40)


def _scaled(path, values):
    """The same file, with a mask of 0 and 1 as its pixels."""
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel.save(nibabel.Nifti1Image((values > 40).astype(values.dtype), np.eye(4), dtype=values.dtype), path)
    else:
        path.write_bytes(path.read_bytes()[: -values.nbytes] + (values > 40).astype(values.dtype).T.tobytes())
    return path


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_color_by_itk(tmp_path, suffix, channels):
    itk = pytest.importorskip("itk")
    mask = np.zeros((*SIZE, channels), dtype=np.uint8)
    mask[lesion(1), 1] = 255
    mask[..., 3:] = 255
    itk.imwrite(
        itk.image_view_from_array(np.ascontiguousarray(mask.transpose(1, 0, 2)), is_vector=True),
        str(tmp_path / f"1{suffix}"),
    )
    np.testing.assert_array_equal(read_mask(tmp_path / f"1{suffix}").numpy()[0], lesion(1))
    np.testing.assert_array_equal(read_image(tmp_path / f"1{suffix}").numpy()[0], lesion(1) * 150)


@pytest.mark.parametrize("suffix", [*VOLUMETRIC, ".dcm"])
def test_trailing_axes_of_one_are_no_volume(tmp_path, suffix):
    path = write_image(tmp_path / f"1{suffix}", speckle(1)[..., None])
    image = read_image(path)
    np.testing.assert_array_equal(image.numpy()[0], speckle(1))
    mask = read_image(save_mask(image, tmp_path / "out"))
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, image.affine)


@pytest.mark.parametrize("name", ["a b (1)", "Übung_病变", "x.y", "#1 'a' %s {0}", "-rf"])
@pytest.mark.parametrize("suffix", [".png", ".TIF", ".NII.GZ", ".nrrd", ".DCM", ".Mha"])
def test_names_of_all_kinds(tmp_path, name, suffix):
    make_plain(tmp_path, count=1, suffix=suffix.lower())
    for path in [*tmp_path.glob("images/*"), *tmp_path.glob("labels/*")]:
        path.rename(path.with_name(name + suffix))
    (record,) = read_dataset(tmp_path)
    assert record["id"] == name
    loaded = LoadUltrasoundd()(record)
    np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(1))
    assert save_mask(loaded["image"], tmp_path / "out").name.startswith(name)


def test_accents_written_in_two_ways_are_one_name(tmp_path):
    one, two = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    write_image(tmp_path / "images" / f"{two}.png", speckle(1))
    write_image(tmp_path / "labels" / f"{one}.png", lesion(1))
    assert [record["id"] for record in read_dataset(tmp_path)] == [one]
    assert [record["id"] for record in list_images(tmp_path / "images")] == [one]
