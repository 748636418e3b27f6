# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_kd.data import LoadUltrasoundd, read_dataset
from tests.data.layout_fixtures import lesion, make_plain, speckle, write_csv, write_image

PATIENTS = [(1, "ann", "benign"), (2, "bea", "Malignant (IDC)"), (3, "ann", "")]
LOSSLESS = [".png", ".PNG", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"]


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".jpg", ".JPEG"])
def test_every_format_is_matched_by_id_and_loads(tmp_path, suffix):
    records = read_dataset(make_plain(tmp_path, count=2, suffix=suffix))
    assert [record["id"] for record in records] == ["case.1", "case.2"]
    assert {record["pathology"] for record in records} == {"unknown"}
    for number, record in enumerate(records, 1):
        loaded = LoadUltrasoundd()(record)
        assert loaded["image"].shape == loaded["label"].shape == (1, 40, 28)
        if suffix in LOSSLESS:
            np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(number))
            np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(number))
        else:
            assert (loaded["label"].numpy()[0] != lesion(number)).mean() < 0.02


@pytest.mark.parametrize(("suffix", "mask_suffix"), [(".jpg", ".png"), (".dcm", ".nii.gz"), (".png", ".nrrd")])
def test_image_and_mask_may_differ_in_format(tmp_path, suffix, mask_suffix):
    record = read_dataset(make_plain(tmp_path, count=1, suffix=suffix, mask_suffix=mask_suffix))[0]
    np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], lesion(1))


def test_image_without_mask_and_mask_without_image(tmp_path):
    make_plain(tmp_path, count=3)
    (tmp_path / "labels" / "case.2.png").rename(tmp_path / "labels" / "case.9.png")
    with pytest.raises(ValueError, match=r"1 of 3 images .*images/case\.2\.png"):
        read_dataset(tmp_path)
    (tmp_path / "images" / "case.2.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 masks .*labels/case\.9\.png"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_duplicate_id(tmp_path, folder):
    make_plain(tmp_path, count=3)
    write_image(tmp_path / folder / "case.2.nii.gz", speckle(1))
    with pytest.raises(ValueError, match=r"1 ids have more than one .*case\.2\.nii\.gz = .*case\.2\.png"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["case.4.webp", "readme.txt", "patient1"])
def test_entry_of_no_known_format(tmp_path, name):
    make_plain(tmp_path, count=3)
    (tmp_path / "images" / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=rf"no known format: .*{name}.*\.png.*\.dcm"):
        read_dataset(tmp_path)


def test_patients_csv_names_patients_and_pathology(tmp_path):
    make_plain(tmp_path, count=3)
    write_csv(
        tmp_path / "patients.csv",
        [("id", "patient", "pathology"), *((f"case.{n}", p, k) for n, p, k in PATIENTS), ("other", "z", "benign")],
    )
    records = read_dataset(tmp_path)
    assert [(record["patient"], record["pathology"]) for record in records] == [
        ("ann", "benign"),
        ("bea", "malignant"),
        ("ann", "unknown"),
    ]


def test_an_image_that_patients_csv_lacks(tmp_path):
    make_plain(tmp_path, count=2)
    write_csv(tmp_path / "patients.csv", [("id", "patient"), ("case.1", "ann")])
    with pytest.raises(ValueError, match=r"1 images are not in .*patients\.csv: case\.2"):
        read_dataset(tmp_path)
