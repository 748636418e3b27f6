# SPDX-License-Identifier: Apache-2.0
"""Links in a data set: a hostile archive must not make us read other files of this computer."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_kd.data import LoadUltrasoundd, list_images, read_dataset
from tests.data.layout_fixtures import make_busi, make_plain


def link(path, target):
    try:
        Path(path).symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")


@pytest.mark.parametrize("what", ["image", "mask", "folder", "table"])
def test_link_that_leads_out_of_the_data_set(tmp_path, what):
    root, outside = make_plain(tmp_path / "set"), make_plain(tmp_path / "outside")
    names = {"image": "images/case.1.png", "mask": "labels/case.1.png", "folder": "images", "table": "INFO.csv"}
    place = root / names[what]
    if place.exists():
        place.rename(tmp_path / "former")
    link(place, outside / names[what] if what != "table" else outside / "images" / "case.1.png")
    with pytest.raises(ValueError, match=rf"1 links in .*set lead out of it: .*{place.name}\. Replace them"):
        read_dataset(root)
    with pytest.raises(ValueError, match=r"1 links in .*set lead out of it"):
        list_images(root)


def test_link_that_leads_nowhere(tmp_path):
    make_plain(tmp_path)
    link(tmp_path / "images" / "case.9.png", tmp_path / "none")
    link(tmp_path / "labels" / "case.9.png", tmp_path / "labels" / "case.9.png")
    with pytest.raises(ValueError, match=r"2 links in .* are broken: .*images.case\.9\.png"):
        read_dataset(tmp_path)


def test_links_within_the_data_set_and_to_it_are_followed(tmp_path):
    make_busi(tmp_path / "disk" / "BUSI")
    link(tmp_path / "disk" / "BUSI" / "benign" / "benign (9).png", tmp_path / "disk" / "BUSI" / "benign/benign (1).png")
    link(tmp_path / "disk" / "BUSI" / "benign" / "benign (9)_mask.png", "benign (1)_mask.png")
    (tmp_path / "home").mkdir()
    link(tmp_path / "home" / "data", tmp_path / "disk" / "BUSI")
    for root in (tmp_path / "home" / "data", tmp_path / "home"):
        records = read_dataset(root)
        assert len(records) == 11
        assert LoadUltrasoundd()(records[5])["label"].max() == 1
