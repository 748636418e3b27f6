# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util

import nibabel
import numpy as np
import pytest
from monai.transforms import LoadImage
from PIL import Image

from monai_kd.data import list_images
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.layout_fixtures import SIZE, speckle, write_image

SUFFIXES = [".png", ".jpg", ".bmp", ".tif", ".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"]
VOLUME_SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"]


def gray_of(rgb):
    return rgb.astype(np.float64) @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_and_orientation_are_those_of_monai(tmp_path, suffix):
    path = write_image(tmp_path / f"1{suffix}", speckle(1))
    expected = LoadImage(image_only=True, ensure_channel_first=True)(path).reshape(1, *SIZE)
    np.testing.assert_array_equal(read_image(path).numpy(), expected.numpy())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_is_alike_for_all_formats(tmp_path, suffix):
    path = write_image(tmp_path / f"1{suffix}", speckle(1))
    image = read_image(path)
    assert image.affine.shape == (4, 4)
    assert image.meta["filename_or_obj"] == str(path)
    np.testing.assert_array_equal(image.meta["spatial_shape"], SIZE)
    np.testing.assert_array_equal(image.meta["original_affine"], image.affine)
    png = read_image(write_image(tmp_path / "2.png", speckle(1)))
    assert {str(key) for key in image.meta} == {str(key) for key in png.meta}


def test_spacing_is_kept(tmp_path):
    affine = read_image(write_image(tmp_path / "1.nii.gz", speckle(1))).affine
    np.testing.assert_allclose(affine.diagonal(), [0.1, 0.2, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_volume_is_kept_and_single_slice_is_squeezed(tmp_path, suffix):
    volume = speckle(1, (*SIZE, 3))
    np.testing.assert_array_equal(read_image(write_image(tmp_path / f"3{suffix}", volume)).numpy()[0], volume)
    single = read_image(write_image(tmp_path / f"1{suffix}", volume[..., :1]))
    np.testing.assert_array_equal(single.numpy()[0], volume[..., 0])
    assert single.meta["spatial_shape"].tolist() == list(SIZE)


def test_too_many_axes(tmp_path):
    path = write_image(tmp_path / "1.nii", speckle(1, (*SIZE, 3, 2)))
    with pytest.raises(ValueError, match=r"1\.nii has the shape \(40, 28, 3, 2\)"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_values_are_kept(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 65536, SIZE).astype(np.uint16)
    np.testing.assert_array_equal(read_image(write_image(tmp_path / f"1{suffix}", values)).numpy()[0], values)


def test_float_tiff_is_kept(tmp_path):
    values = np.random.default_rng(0).random(SIZE, dtype=np.float32)
    np.testing.assert_array_equal(read_image(write_image(tmp_path / "1.tif", values)).numpy()[0], values)


def test_color_becomes_gray(tmp_path):
    rgb = speckle(1, (*SIZE, 3))
    assert np.abs(read_image(write_image(tmp_path / "1.png", rgb)).numpy()[0] - gray_of(rgb)).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "PA", "P", "1", "CMYK", "RGBA"])
def test_every_mode_becomes_gray(tmp_path, mode):
    path = tmp_path / ("1.tif" if mode == "CMYK" else "1.png")
    picture = Image.fromarray(speckle(1).T)
    (picture.convert("L") if mode == "PA" else picture.convert(mode)).save(path)
    loaded = read_image(path).numpy()[0]
    expected = np.asarray(picture.convert("1").convert("L") if mode == "1" else picture).T
    assert np.abs(loaded - expected).max() <= 1


def test_gray_with_alpha_is_composited_on_black(tmp_path):
    values, alpha = speckle(1), speckle(2)
    image = read_image(write_image(tmp_path / "1.png", np.dstack([values, alpha]))).numpy()[0]
    assert np.abs(image - values * (alpha / 255.0)).max() <= 1


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".dcm"])
def test_color_in_medical_formats_becomes_gray(tmp_path, suffix):
    import itk

    rgb = speckle(1, (*SIZE, 3))
    colored = itk.image_view_from_array(np.ascontiguousarray(rgb.transpose(1, 0, 2)), is_vector=True)
    itk.imwrite(colored, str(tmp_path / f"1{suffix}"))
    image = read_image(tmp_path / f"1{suffix}")
    assert image.shape == (1, *SIZE)
    assert np.abs(image.numpy()[0] - gray_of(rgb)).max() <= 1


def test_color_that_itk_cannot_read(tmp_path):
    import itk

    values = speckle(1, (28, 40, 3)).astype(np.uint16) * 200
    itk.imwrite(itk.image_view_from_array(values, is_vector=True), str(tmp_path / "1.mha"))
    with pytest.raises(ValueError, match=r"1\.mha has 3 channels of the type unsigned_short\. Export it as gray"):
        read_image(tmp_path / "1.mha")


def test_color_in_nifti_becomes_gray(tmp_path):
    rgb = speckle(1, (*SIZE, 1, 3))
    values = np.ascontiguousarray(rgb).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "1.nii.gz")
    image = read_image(tmp_path / "1.nii.gz")
    assert np.abs(image.numpy()[0] - gray_of(rgb[:, :, 0])).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_image(tmp_path, value):
    values = speckle(1).astype(np.float32)
    values[3, 4] = value
    with pytest.raises(ValueError, match=r"1\.nii\.gz holds 1 NaN or infinite values"):
        read_image(write_image(tmp_path / "1.nii.gz", values))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["not an image", "cut off", "empty"])
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_damaged_file(tmp_path, suffix, damage, read):
    path = write_image(tmp_path / f"1{suffix}", speckle(1))
    whole = path.read_bytes()
    path.write_bytes(
        {"not an image": b"<html>404</html>" * 90, "cut off": whole[: len(whole) * 2 // 3], "empty": b""}[damage]
    )
    with pytest.raises(ValueError, match=rf"1{suffix} cannot be decoded \(.+\)\. It is damaged"):
        read(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No file .*1\.png"):
        read_image(tmp_path / "1.png")


def test_unknown_suffix(tmp_path):
    (tmp_path / "1.webp").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"1\.webp is in no known format.*\.png"):
        read_image(tmp_path / "1.webp")


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_pages(tmp_path, read):
    pages = [Image.fromarray(speckle(seed).T) for seed in range(3)]
    pages[0].save(tmp_path / "1.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"1\.tif has 3 pages\. Save each"):
        read(tmp_path / "1.tif")


def test_without_itk_only_its_formats_fail(tmp_path, monkeypatch):
    nrrd, png, dicom = (write_image(tmp_path / name, speckle(1)) for name in ("1.nrrd", "1.png", "1.dcm"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "monai_kd.data.image_files.nrrd_mha.find_spec", lambda name: None if name == "itk" else find_spec(name)
    )
    assert read_image(png).shape == (1, *SIZE)
    with pytest.raises(ImportError, match=r"1\.nrrd needs ITK.*pip install itk-io"):
        read_image(nrrd)
    assert [record["id"] for record in list_images(dicom)] == ["1"]
    with pytest.raises(ImportError, match=r"1\.dcm needs ITK.*pip install itk-io"):
        read_image(dicom)
