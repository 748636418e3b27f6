# SPDX-License-Identifier: Apache-2.0
"""The publishers' own files, where the environment variable MONAI_KD_DATA names the folder that holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_kd.data import LoadUltrasoundd, inspect_dataset, read_dataset
from monai_kd.data.duplicates import thumbnail
from monai_kd.data.duplicates.pairs import near_duplicates
from tests.data.duplicates.pictures import COPIES

pytestmark = pytest.mark.skipif("MONAI_KD_DATA" not in os.environ, reason="MONAI_KD_DATA is not set")


@pytest.mark.parametrize(("name", "count"), [("BrEaST", 252), ("BUSBRA", 209)])
def test_nothing_is_wrong_with_them(name, count):
    found = inspect_dataset(Path(os.environ["MONAI_KD_DATA"], name))
    assert len(found.facts) == count
    assert found.problems == []


def test_copies_are_found_and_second_images_of_a_patient_are_none():
    """The two images of a patient are compared here, and are recognized as different pictures."""
    records = read_dataset(Path(os.environ["MONAI_KD_DATA"], "BUSBRA"))
    pictures = [LoadUltrasoundd("image")(record)["image"][0].numpy().astype("uint8") for record in records]
    small = [thumbnail(picture) for picture in pictures]
    assert near_duplicates(small, range(len(small))) == []
    for copy in COPIES[:-1]:
        copies = [thumbnail(copy(picture)) for picture in pictures]
        pairs = near_duplicates([*small, *copies], range(2 * len(small)))
        assert {(first, second - len(small)) for first, second, _ in pairs} == {(i, i) for i in range(len(small))}
