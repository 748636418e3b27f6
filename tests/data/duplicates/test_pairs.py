# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_kd.data.duplicates import thumbnail
from monai_kd.data.duplicates.pairs import near_duplicates
from tests.data.duplicates.pictures import COPIES, SIZE, tissue


def found(pictures, groups=None):
    pairs = near_duplicates([thumbnail(picture) for picture in pictures], groups or range(len(pictures)))
    return [(pair.first, pair.second) for pair in pairs]


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.__name__)
def test_a_copy_is_found_and_nothing_else(copy):
    originals = [tissue(seed) for seed in range(12)]
    assert found([*originals, *(copy(picture) for picture in originals)]) == [(i, i + 12) for i in range(12)]


def test_mirrored_and_inverted_pictures_are_others():
    picture = tissue(0)
    assert not found([picture, picture[::-1], picture[:, ::-1], 255 - picture])


def test_images_of_one_group_are_not_compared():
    picture = tissue(0)
    assert found([picture, picture, picture], [0, 0, 1]) in ([(0, 2)], [(1, 2)], [(0, 2), (1, 2)])
    assert not found([picture, picture], [5, 5])


def test_pictures_without_contrast_are_like_none():
    flat = np.full(SIZE, 40)
    assert not found([flat, flat, np.zeros(SIZE)])
    assert not found([])


def test_many_copies_are_a_chain_across_blocks():
    """300 copies between 300 other pictures: fewer pairs than pictures, and all copies connected."""
    picture = tissue(0)
    pictures = [picture if i % 2 else tissue(i + 1) for i in range(600)]
    pairs = found(pictures)
    assert len(pairs) == 299
    reached = {1}
    for _ in range(300):
        reached |= {key for pair in pairs if reached & set(pair) for key in pair}
    assert reached == set(range(1, 600, 2))


def test_likeness_is_one_for_the_same_and_less_for_a_copy():
    small = [thumbnail(picture) for picture in (tissue(1), tissue(1), COPIES[3](tissue(1)))]
    likeness = {pair[:2]: pair.likeness for pair in near_duplicates(small, [0, 1, 2])}
    assert likeness[(0, 1)] == pytest.approx(1)
    assert 0.9 < min(likeness.values()) < 0.9999


def test_middle_slice_of_a_volume_counts():
    volume = np.stack([tissue(1), tissue(2), tissue(3)], axis=-1)
    assert (thumbnail(volume) == thumbnail(tissue(2))).all()
