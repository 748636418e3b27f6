# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from monai_kd.data import check_dataset, hold_out, k_folds, random_splits, read_dataset
from monai_kd.data.duplicates import join_near_duplicates
from monai_kd.data.splits.groups import groups_of
from tests.data.duplicates.pictures import COPIES, jpeg, tissue
from tests.data.layout_fixtures import lesion, write_image


def make(root, copies):
    """Ten pictures images/0.png … and copies, given by their id, the copied id and the change."""
    pictures = {str(i): tissue(i) for i in range(10)}
    pictures |= {key: copy(pictures[source]) for key, (source, copy) in copies.items()}
    for key, values in pictures.items():
        write_image(root / "images" / f"{key}.png", values)
        write_image(root / "labels" / f"{key}.png", lesion(1, values.shape))
    return read_dataset(root)


def ids(groups):
    return sorted([record["id"] for record in group] for group in groups if len(group) > 1)


def test_copies_get_one_value_and_others_their_own(tmp_path):
    records = make(tmp_path, {"a": ("3", jpeg), "b": ("3", COPIES[3]), "c": ("3", lambda picture: picture)})
    exact, near = check_dataset(records), check_dataset(records, near_duplicates=True)
    assert ids(groups_of(records, exact)) == [["3", "c"]]
    assert ids(groups_of(records, near)) == [["3", "a", "b", "c"]]
    assert {key for key in near if near[key] != exact[key]} <= {"3", "a", "b", "c"}


def test_copies_are_in_one_part_of_every_split(tmp_path):
    records = make(tmp_path, {"a": ("3", jpeg), "b": ("5", COPIES[1])})
    content = check_dataset(records, near_duplicates=True)
    splits = [*random_splits(records, 20, content=content), *k_folds(records, 3, content=content)]
    splits += [hold_out(records, 0.2, 0.2, seed, content)[0] for seed in range(20)]
    for split in splits:
        for pair in ({"3", "a"}, {"5", "b"}):
            assert any(pair <= set(part) for part in split.values())


def test_without_copies_splits_are_as_before(tmp_path):
    records = make(tmp_path, {})
    before, after = check_dataset(records), check_dataset(records, near_duplicates=True)
    assert before == after
    assert random_splits(records, content=before) == random_splits(records, content=after)


def test_join_is_by_chain_and_takes_exact_duplicates_along():
    content = {"1": "a", "2": "b", "3": "c", "4": "d", "5": "b"}
    joined = join_near_duplicates(content, [("1", "2", 0.95), ("2", "3", 0.99)])
    assert joined["1"] == joined["2"] == joined["3"] == joined["5"] != joined["4"]
