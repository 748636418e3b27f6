# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import LoadUltrasoundd, PooledDataset, convert_dataset, inspect_dataset, list_images, read_dataset
from tests.data.layout_fixtures import lesion, make_monai_label, make_plain, speckle, write_csv, write_image


@pytest.mark.parametrize(("suffix", "mask_suffix"), [(".png", ".nii.gz"), (".JPG", ".png"), (".dcm", ".nrrd")])
def test_labelled_images_with_their_final_masks_in_any_format(tmp_path, suffix, mask_suffix):
    records = read_dataset(make_monai_label(tmp_path, 3, suffix, mask_suffix))
    assert [record["id"] for record in records] == ["case (1)", "case (2)", "case (3)"]
    for number, record in enumerate(records, 1):
        loaded = LoadUltrasoundd()(record)
        np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(number))
        assert loaded["image"].shape == loaded["label"].shape == (1, 40, 28)
        if suffix != ".JPG":
            np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(number))


def test_all_images_are_listed_also_from_above(tmp_path):
    make_monai_label(tmp_path / "study", 2)
    for root in (tmp_path, tmp_path / "study"):
        listed = list_images(root)
        assert [record["id"] for record in listed] == ["case (1)", "case (2)", "case (3)", "case (4)"]
        assert all(set(record) == {"image", "id"} for record in listed)


def test_the_unlabelled_pool_is_what_has_no_label(tmp_path):
    study = make_monai_label(tmp_path, 8)
    samples = list(PooledDataset(study, study, progress=False))
    assert [s["id"] for s in samples if not s["has_label"]] == ["case (10)", "case (9)"]


def test_study_without_a_label(tmp_path):
    study = make_monai_label(tmp_path, 2)
    shutil.rmtree(study / "labels" / "final")
    assert len(list_images(study)) == 4
    with pytest.raises(ValueError, match="'monailabel' lacks folder labels/final"):
        read_dataset(study)
    (study / "labels" / "final").mkdir()
    assert len(list_images(study)) == 4
    with pytest.raises(ValueError, match=r"None of the 4 images in .* has a label yet\. Label some"):
        read_dataset(study)
    assert any("has a label yet" in str(problem) for problem in inspect_dataset(study).problems)


def test_two_masks_of_an_image(tmp_path):
    study = make_monai_label(tmp_path, 2)
    write_image(study / "labels" / "final" / "case (1).png", lesion(1))
    with pytest.raises(ValueError, match=r"1 ids have more than one mask: .*case \(1\)\.nii\.gz = .*\.png\. Keep one"):
        read_dataset(study)
    assert len(list_images(study)) == 4


def test_two_images_of_an_id(tmp_path):
    study = make_monai_label(tmp_path, 2)
    write_image(study / "case (1).bmp", speckle(1))
    for read in (read_dataset, list_images):
        with pytest.raises(ValueError, match=r"1 ids have more than one image: .*case \(1\)\.bmp"):
            read(study)


def test_mask_without_image(tmp_path):
    study = make_monai_label(tmp_path, 2)
    (study / "case (2).png").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 masks in .* have no image: .*case \(2\)\.nii\.gz"):
        read_dataset(study)


def test_patients_of_the_labelled_images_are_enough(tmp_path):
    study = make_monai_label(tmp_path, 2)
    write_csv(study / "patients.csv", [("id", "patient", "pathology"), ("case (1)", "ann", "benign"), ("x", "y", "")])
    with pytest.raises(ValueError, match=r"1 images are not in .*patients\.csv: case \(2\)"):
        read_dataset(study)
    write_csv(study / "patients.csv", [("id", "patient"), ("case (1)", "ann"), ("case (2)", "ann")])
    assert [record["patient"] for record in read_dataset(study)] == ["ann", "ann"]
    assert len(list_images(study)) == 4


def test_cine_loops_with_masks_of_all_frames_of_some_or_of_none(tmp_path):
    study = make_monai_label(tmp_path, 1)
    for name in ("all", "some", "none"):
        first, *others = (Image.fromarray(np.ascontiguousarray(speckle(frame).T)) for frame in range(3))
        first.save(study / f"{name}.tiff", save_all=True, append_images=others)
    final = study / "labels" / "final"
    write_image(final / "all.nii.gz", np.stack([lesion(frame) for frame in range(3)], axis=-1).astype(np.uint8))
    write_image(final / "some_frame001.png", lesion(1))
    frames = ["all_frame000", "all_frame001", "all_frame002", "case (1)", "some_frame001"]
    records = read_dataset(study)
    assert [record["id"] for record in records] == frames
    for record, seed in zip(records, (0, 1, 2, 1, 1), strict=True):
        np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], lesion(seed))
    assert len(list_images(study)) == 3 + 3 * 3


def test_accents_of_a_mac_match(tmp_path):
    write_image(tmp_path / "e\u0301.png", speckle(1))
    write_image(tmp_path / "labels" / "final" / "\u00e9.png", lesion(1))
    assert [record["id"] for record in read_dataset(tmp_path)] == ["\u00e9"]


def test_link_among_the_final_masks_that_leads_out(tmp_path):
    study, outside = make_monai_label(tmp_path / "study", 2), make_monai_label(tmp_path / "outside", 2)
    mask = study / "labels" / "final" / "case (1).nii.gz"
    mask.unlink()
    try:
        mask.symlink_to(outside / "labels" / "final" / "case (1).nii.gz")
    except OSError:
        pytest.skip("no symbolic links here")
    for read in (read_dataset, list_images):
        with pytest.raises(ValueError, match=r"1 links in .*study lead out of it: .*case \(1\)\.nii\.gz"):
            read(study)


def test_what_is_converted_for_the_server_is_read_again(tmp_path):
    convert_dataset(make_plain(tmp_path / "plain", 3), tmp_path / "study", "monailabel")
    records = read_dataset(tmp_path / "study")
    assert [record["id"] for record in records] == ["case_1", "case_2", "case_3"]
    np.testing.assert_array_equal(LoadUltrasoundd()(records[0])["label"].numpy()[0], lesion(1))
