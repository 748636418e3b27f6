# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import inspect_dataset
from monai_kd.data.inspection import write_sheet
from monai_kd.data.inspection.contact_sheet_images import sections
from monai_kd.utils.figures import GREEN
from tests.data.duplicates.pictures import jpeg, tissue
from tests.data.inspection.test_inspection import make
from tests.data.layout_fixtures import lesion, make_plain, write_image


def broken(root):
    """Ten images, of which one is damaged, two are near duplicates, and one has no lesion."""
    make(root, 10)
    (root / "images/1.png").write_bytes(b"<html>")
    write_image(root / "images/3.png", jpeg(tissue(2)))
    write_image(root / "labels/3.png", lesion(2, (160, 120)))
    write_image(root / "labels/4.png", np.zeros((160, 120), dtype=bool))
    return inspect_dataset(root)


def test_worst_first_and_pairs_side_by_side(tmp_path):
    shown = sections(broken(tmp_path), limit=60)
    assert [section.title for section in shown[:3]] == [
        "Unreadable image: 1 image",
        "Near duplicates: 2 images",
        "Empty mask: 1 image",
    ]
    assert [[pick.facts.id for pick in section.picks] for section in shown[:3]] == [["1"], ["2", "3"], ["4"]]
    assert [section.is_grave for section in shown[:3]] == [True, False, False]
    sound = {pick.facts.id for section in shown[3:] for pick in section.picks}
    assert sound == {"5", "6", "7", "8", "9", "10"}


def test_number_of_images_is_bounded(tmp_path):
    make_plain(tmp_path, count=40)
    for path in (tmp_path / "labels").iterdir():
        write_image(path, np.zeros((40, 28), dtype=bool))
    found = inspect_dataset(tmp_path)
    (section,) = sections(found, limit=60)
    assert section.title == "Empty mask: 40 images, 12 shown"
    assert len(section.picks) == 12
    assert write_sheet(found, tmp_path / "check.png", limit=5) == 5


def test_sheet_is_a_picture_with_green_contours(tmp_path):
    found = broken(tmp_path)
    count = write_sheet(found, tmp_path / "new" / "check.png")
    assert count == sum(len(section.picks) for section in sections(found, 60))
    with Image.open(tmp_path / "new" / "check.png") as picture:
        assert (np.asarray(picture) == GREEN).all(axis=-1).sum() > 100


def test_lesion_of_one_pixel_is_seen(tmp_path):
    mask = np.zeros((1600, 1200), dtype=bool)
    mask[800, 600] = True
    write_image(tmp_path / "images/1.png", np.tile(tissue(1), (10, 10)))
    write_image(tmp_path / "labels/1.png", mask)
    write_sheet(inspect_dataset(tmp_path), tmp_path / "check.png")
    with Image.open(tmp_path / "check.png") as picture:
        assert (np.asarray(picture) == GREEN).all(axis=-1).sum() > 20


def test_volume_is_shown_by_a_slice(tmp_path):
    make_plain(tmp_path, count=2, suffix=".nii.gz", size=(20, 16, 5))
    assert write_sheet(inspect_dataset(tmp_path), tmp_path / "check.png") == 2


def test_other_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"A contact sheet is a PNG, got '.*check\.pdf'"):
        write_sheet(inspect_dataset(make(tmp_path, 3)), tmp_path / "check.pdf")


def test_nothing_to_show(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ValueError, match="has no image to show"):
        write_sheet(inspect_dataset(tmp_path), tmp_path / "check.png")
