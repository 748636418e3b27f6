# SPDX-License-Identifier: Apache-2.0
"""Values, spacing and orientation of every format survive."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.data.conversion import TARGETS, convert_dataset
from monai_kd.data.conversion.naming import names_without_dots, numbers, plain_names, readable_names
from monai_kd.data.image_files.formats import suffix_of
from tests.data.layout_fixtures import lesion, make_plain, speckle, write_image

OBLIQUE = np.array([[0.1, 0.02, 0, 5], [-0.02, 0.2, 0, -7], [0, 0, 1.5, 3], [0, 0, 0, 1]])


def pair(root, name, values, mask=None):
    """One image and its mask in plain folders."""
    write_image(root / "images" / name, values)
    mask = lesion(1, values.shape) if mask is None else mask
    suffix = suffix_of(name)
    mask_name = name if values.ndim == 3 else name.removesuffix(suffix) + ".png"
    write_image(root / "labels" / mask_name, mask.astype(np.uint8))
    return root


def convert(root, tmp_path, layout="plain"):
    out = tmp_path / "Dataset001_A"
    entries = convert_dataset(root, out, layout)
    old = LoadUltrasoundd()(read_dataset(root)[0])
    new = LoadUltrasoundd()({key: str(out / entries[0][key]) for key in ("image", "label")})
    for key in ("image", "label"):
        np.testing.assert_array_equal(new[key].numpy(), old[key].numpy())
    return out / entries[0]["image"], new["image"], old["image"]


@pytest.mark.parametrize("layout", TARGETS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path, layout, suffix):
    values = np.random.default_rng(0).integers(0, 65536, (40, 28)).astype(np.uint16)
    path, new, _ = convert(pair(tmp_path / "in", f"a{suffix}", values), tmp_path, layout)
    np.testing.assert_array_equal(new.numpy()[0], values)
    if path.suffix == ".png":
        with Image.open(path) as picture:
            assert picture.mode.startswith("I;16") and picture.size == (40, 28)


@pytest.mark.parametrize("layout", ["plain", "nnunet", "monailabel"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("size", [(40, 28), (12, 10, 6)])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_medical_formats_become_nifti(tmp_path, layout, suffix, size, kind):
    values = (speckle(0, size).astype(np.float32) * 3.25 - 300).astype(kind)
    path, new, old = convert(pair(tmp_path / "in", f"a{suffix}", values), tmp_path, layout)
    assert path.name.endswith(".nii.gz")
    np.testing.assert_array_equal(new.numpy()[0], values)
    np.testing.assert_allclose(new.affine, old.affine, atol=1e-6)


def test_dicom_becomes_nifti_with_its_spacing(tmp_path):
    path, new, old = convert(make_plain(tmp_path / "in", count=1, suffix=".dcm", mask_suffix=".png"), tmp_path)
    assert path.name == "case.1.nii.gz"
    np.testing.assert_allclose(new.affine, old.affine, atol=1e-6)


def test_oblique_orientation_survives(tmp_path):
    for folder, values in (("images", speckle(0, (12, 10, 6))), ("labels", lesion(0, (12, 10, 6)).astype(np.uint8))):
        (tmp_path / "in" / folder).mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(values, OBLIQUE), tmp_path / "in" / folder / "a.nii.gz")
    path, new, _ = convert(tmp_path / "in", tmp_path)
    np.testing.assert_allclose(new.affine, OBLIQUE, atol=1e-6)
    mask = nibabel.load(path.parents[1] / "labels" / "a.nii.gz")
    np.testing.assert_allclose(mask.affine, OBLIQUE, atol=1e-6)
    assert set(np.unique(mask.dataobj)) == {0, 255}


def test_float_picture_becomes_nifti(tmp_path):
    path, new, _ = convert(pair(tmp_path / "in", "a.tif", speckle(0).astype(np.float32) / 7), tmp_path)
    assert path.name == "a.nii.gz" and new.dtype.is_floating_point


@pytest.mark.parametrize("size", [(40, 28), (12, 10, 6)])
def test_what_does_not_fit_dataset_a_is_refused(tmp_path, size):
    root = pair(tmp_path / "in", "a.nii.gz", speckle(0, size).astype(np.float32) / 7)
    with pytest.raises(ValueError, match=r"a\.nii\.gz .*does not fit into a PNG.*--output-layout plain"):
        convert_dataset(root, tmp_path / "out", "dataset_a")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", TARGETS)
def test_unusual_names(tmp_path, layout):
    ids = ["benign (1)", "benign_1", "Ärztin 超音波", "a.b", "a_b"]
    for number, key in enumerate(ids):
        pair(tmp_path / "in", f"{key}.png", speckle(number), lesion(number))
    out = tmp_path / "Dataset001_A"
    entries = convert_dataset(tmp_path / "in", out, layout)
    assert sorted(entry["source_id"] for entry in entries) == sorted(ids)
    assert len({entry["image"].casefold() for entry in entries}) == len(ids)
    for entry in entries:
        loaded = LoadUltrasoundd()({key: str(out / entry[key]) for key in ("image", "label")})
        np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(ids.index(entry["source_id"])))
        np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(ids.index(entry["source_id"])))


@pytest.mark.parametrize("names", [readable_names, names_without_dots, plain_names, numbers])
def test_names_never_meet(names):
    ids = ["a", "A", "a_2", "a/2", "a:2", "é", "é", "", ".", "..", "a ", "a.", "a" * 50, "benign (1)", "benign 1"]
    made = names(ids)
    assert len({name.casefold() for name in made}) == len(ids)
    assert all(name and not name.startswith(".") and not set(name) & set('/\\:*?"<>|') for name in made)
    assert made == names(ids)
