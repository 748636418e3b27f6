# SPDX-License-Identifier: Apache-2.0
"""PACS exports: DICOM without a suffix, a folder for each patient, CDs; and images/ beside masks/."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from monai_kd.data import LoadUltrasoundd, convert_dataset, inspect_dataset, list_images, read_dataset, save_mask
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.dicom_fixtures import write_dicom
from tests.data.layout_fixtures import SIZE, lesion, make_bus_uclm, make_plain, speckle, write_image

pytest.importorskip("itk")

NAMES = ["IM-0001-0001", "I0000001", "1.2.840.113619.2.5", "scan.IMA", "scan.dicom", "US.DCM", "Case 1.Anna"]


def ids(root):
    return [record["id"] for record in list_images(root)]


def masks_of(root, out):
    """The names of all masks that inference would write."""
    for record in list_images(root):
        save_mask(LoadUltrasoundd("image")(record)["image"], out)
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_dicom_is_known_by_its_content(tmp_path, name):
    path = write_dicom(tmp_path / name, speckle(1).T, patient="P7")
    assert read_header(path).shape == SIZE and read_header(path).patient == "P7"
    np.testing.assert_array_equal(read_image(path).numpy()[0], speckle(1))
    mask = write_dicom(tmp_path / "mask" / name, lesion(1).T.astype(np.uint8))
    np.testing.assert_array_equal(read_mask(mask).numpy()[0], lesion(1))
    assert len(list_images(path)) == len(list_images(tmp_path / "mask")) == 1
    assert len(masks_of(path, tmp_path / "out")) == 1


def test_loop_without_suffix(tmp_path):
    write_dicom(tmp_path / "in" / "I1", np.stack([speckle(seed).T for seed in range(3)]), frames=3)
    assert ids(tmp_path / "in") == ["I1_frame000", "I1_frame001", "I1_frame002"]
    assert masks_of(tmp_path / "in", tmp_path / "out") == [f"I1_frame00{number}.nrrd" for number in range(3)]


def test_folder_for_each_patient_gives_every_mask_a_name_of_its_own(tmp_path):
    for patient in ("ann", "bea"):
        for series in ("1", "2"):
            write_dicom(tmp_path / "in" / patient / series / "I1", speckle(1).T)
        write_image(tmp_path / "in" / patient / "a.png", speckle(2))
    expected = ["ann_1_I1.nrrd", "ann_2_I1.nrrd", "ann_a.png", "bea_1_I1.nrrd", "bea_2_I1.nrrd", "bea_a.png"]
    assert masks_of(tmp_path / "in", tmp_path / "out") == expected


def test_two_files_of_one_name_are_refused_by_name(tmp_path):
    write_image(tmp_path / "a" / "b_c.png", speckle(1))
    write_image(tmp_path / "a_b" / "c.png", speckle(2))
    with pytest.raises(ValueError, match=r"more than one image: .*a.b_c\.png = .*a_b.c\.png"):
        list_images(tmp_path)


def test_cd_with_its_table_of_contents_and_its_viewer(tmp_path):
    for number in (1, 2):
        write_dicom(tmp_path / "IMAGES" / "PAT1" / f"I000000{number}", speckle(number).T)
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "autorun.inf").write_text("[autorun]")
    write_image(tmp_path / "VIEWER" / "logo.png", speckle(3))
    assert ids(tmp_path) == ["IMAGES_PAT1_I0000001", "IMAGES_PAT1_I0000002"]


def test_report_beside_the_images_is_left_out_and_told(tmp_path, caplog):
    write_dicom(tmp_path / "I1", speckle(1).T)
    write_dicom(tmp_path / "SR1", np.zeros((0, 0), np.uint8))
    assert ids(tmp_path) == ["I1"]
    assert "1 DICOM files hold no image and are left out" in caplog.text and "SR1" in caplog.text
    (tmp_path / "I1").unlink()
    with pytest.raises(ValueError, match="layout"):
        list_images(tmp_path)


def test_masks_in_subfolders_are_no_images(tmp_path, caplog):
    for patient in ("ann", "bea"):
        write_image(tmp_path / patient / "images" / "1.png", speckle(1))
        write_image(tmp_path / patient / "masks" / "1.png", lesion(1))
    assert ids(tmp_path) == ["ann_images_1", "bea_images_1"]
    write_image(tmp_path / "own.png", speckle(1))
    assert ids(tmp_path) == ["own"]
    assert "holds images, so those in its subfolders are left out" in caplog.text


def test_link_from_a_deep_subfolder_out_of_the_folder(tmp_path):
    secret = write_image(tmp_path / "secret.png", speckle(1))
    place = tmp_path / "in" / "a" / "b" / "c" / "d"
    place.mkdir(parents=True)
    (place / "1.png").symlink_to(secret)
    with pytest.raises(ValueError, match="lead out of it"):
        list_images(tmp_path / "in")


def make_patients(root, folder="labels"):
    for number, (patient, identity) in enumerate(
        [("ann", "7"), ("ann", ""), ("bea", ""), ("cleo", "7"), ("dora", "9")]
    ):
        write_dicom(root / "images" / patient / f"I{number}", speckle(number).T, patient=identity)
        write_image(root / folder / patient / f"I{number}.png", lesion(number))
    return root


@pytest.mark.parametrize("folder", ["labels", "masks"])
def test_plain_folders_of_patients(tmp_path, folder):
    records = read_dataset(make_patients(tmp_path / "data", folder))
    assert [(record["id"], record["patient"]) for record in records] == [
        ("ann_I0", "7"),
        ("ann_I1", "7"),  # ann's, as her other image shows
        ("bea_I2", "bea"),
        ("cleo_I3", "7"),  # so these two stay together
        ("dora_I4", "9"),
    ]
    for number, record in enumerate(records):
        np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], lesion(number))
    assert inspect_dataset(tmp_path / "data").is_trainable
    assert [entry["id"] for entry in convert_dataset(tmp_path / "data", tmp_path / "out", "plain")] == [
        record["id"] for record in records
    ]


def test_mask_that_a_patients_folder_lacks(tmp_path):
    make_patients(tmp_path)
    (tmp_path / "labels" / "ann" / "I1.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 5 images .* have no mask: .*images.ann.I1"):
        read_dataset(tmp_path)


def test_file_of_another_kind_in_a_patients_folder(tmp_path):
    make_patients(tmp_path)
    (tmp_path / "images" / "ann" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"1 entries of .*images are in no known format: .*ann.notes\.txt"):
        read_dataset(tmp_path)


def test_images_beside_masks_are_plain_folders(tmp_path):
    make_plain(tmp_path, count=3)
    (tmp_path / "labels").rename(tmp_path / "masks")
    assert [record["id"] for record in read_dataset(tmp_path)] == ["case.1", "case.2", "case.3"]
    assert inspect_dataset(tmp_path).layout == "plain"
    make_plain(tmp_path, count=3)  # labels takes precedence over masks
    assert "labels" in read_dataset(tmp_path)[0]["label"]


def test_bus_uclm_stays_what_it_is(tmp_path):
    assert inspect_dataset(make_bus_uclm(tmp_path)).layout == "bus_uclm"


def test_what_was_left_out_is_a_remark_of_the_inspection(tmp_path, caplog):
    make_patients(tmp_path)
    with caplog.at_level(logging.INFO):
        assert inspect_dataset(tmp_path).remarks == []


def test_name_with_a_slash_is_no_masks_name(tmp_path):
    image = read_image(write_image(tmp_path / "1.png", speckle(1)), name="../../1")
    with pytest.raises(ValueError, match=r"cannot be named '\.\./\.\./1'"):
        save_mask(image, tmp_path / "out")
