# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from monai_kd.data import k_folds, random_splits, read_splits, write_splits

RECORDS = [{"id": f"{i:02}", "patient": str(i // 2), "pathology": "benign"} for i in range(20)]


@pytest.fixture
def path(tmp_path):
    write_splits(tmp_path / "splits.json", random_splits(RECORDS), protocol="random", layout="plain", seed=0)
    return tmp_path / "splits.json"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content["splits"][1])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("splits", [random_splits(RECORDS), k_folds(RECORDS, k=5)])
def test_read_back_equal(tmp_path, splits):
    path = tmp_path / "new" / "splits.json"
    write_splits(path, splits, protocol="some", layout="plain", seed=7)
    assert read_splits(path, RECORDS[::-1]) == splits
    content = json.loads(path.read_text())
    assert (content["protocol"], content["layout"], content["seed"]) == ("some", "plain", 7)


def test_failure_leaves_the_former_file_and_nothing_else(path):
    former = path.read_bytes()
    with pytest.raises(TypeError):
        write_splits(path, [{"training": [object()]}], protocol="random", layout="plain", seed=0)
    assert path.read_bytes() == former
    assert list(path.parent.iterdir()) == [path]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No split file .*none\.json"):
        read_splits(tmp_path / "none.json", RECORDS)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x9d", b"id,fold\n1,2\n"])
def test_not_json(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"splits\.json' is not JSON.*write_splits\(\)"):
        read_splits(path, RECORDS)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"splits": []},
        {"splits": {}},
        {"splits": [[]]},
        {"splits": [{"train": ["1"], "val": ["2"], "test": ["3"]}]},
        {"splits": [{"training": ["1"], "validation": ["2"]}]},
        {"splits": [{"training": ["1"], "validation": ["2"], "test": []}]},
        {"splits": [{"training": [1], "validation": [2], "test": [3]}]},
        {"splits": [{"training": "1", "validation": "2", "test": "3"}]},
    ],
)
def test_wrong_form(path, content):
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"is not a split file.*training, validation, test"):
        read_splits(path, RECORDS)


def test_other_images_name_the_first_ids_on_either_side(path):
    others = [{"id": f"x{i}", "patient": str(i)} for i in range(9)]
    with pytest.raises(ValueError, match=r"split 0, is of other images: 20 .*00, 01, 02.*9 .*x0, x1, x2"):
        read_splits(path, others)


def test_images_missing_on_one_side(path):
    with pytest.raises(ValueError, match=r"2 of its ids are not in the data set \(00, 01\) and 0 images .*\(-\)"):
        read_splits(path, RECORDS[2:])
    with pytest.raises(ValueError, match=r"0 of its ids .*\(-\) and 1 images are not in the split \(99\)"):
        read_splits(path, [*RECORDS, {"id": "99", "patient": "99"}])


def test_id_in_two_parts(path):
    edit(path, lambda split: split["training"].append(split["test"][0]))
    with pytest.raises(ValueError, match=r"split 1, leaks: \d\d appear more than once"):
        read_splits(path, RECORDS)


def test_patient_in_two_parts_names_the_pair(path):
    edit(path, lambda split: split["test"].append(split["training"].pop()))
    moved = json.loads(path.read_text())["splits"][1]["test"][-1]
    partner = next(r["id"] for r in RECORDS if r["id"] != moved and int(r["id"]) // 2 == int(moved) // 2)
    first, second = sorted((moved, partner))
    patient = int(moved) // 2
    with pytest.raises(
        ValueError, match=rf"split 1, leaks: {first} .* and {second} .* are both of patient {patient}\."
    ):
        read_splits(path, RECORDS)


def test_duplicate_in_two_parts_names_the_pair(path):
    split = read_splits(path, RECORDS)[0]
    pair = sorted((split["training"][0], split["test"][0]))
    content = {record["id"]: record["id"] for record in RECORDS} | dict.fromkeys(pair, "same")
    with pytest.raises(ValueError, match=rf"split 0, leaks: {pair[0]} .* and {pair[1]} .* show the same picture"):
        read_splits(path, RECORDS, content)
