# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest

from monai_kd.data import hold_out
from tests.data.test_splits import check_sound, make_records, sizes


def test_parts_are_fractions_of_all():
    records = make_records(200)
    (split,) = hold_out(records, validation_fraction=0.1, test_fraction=0.25)
    check_sound(split, records)
    assert sizes(split) == (130, 20, 50)


def test_stratified_and_by_patient():
    records = make_records(120, per_patient=2)
    (split,) = hold_out(records, 0.2, 0.2)
    check_sound(split, records)
    kind = {record["id"]: record["pathology"] for record in records}
    for part in split.values():
        assert Counter(kind[key] for key in part)["malignant"] / len(part) == pytest.approx(1 / 3, abs=0.1)


def test_seed_decides_and_order_does_not():
    records = make_records(60)
    assert hold_out(records, seed=1) == hold_out(records[::-1], seed=1) != hold_out(records, seed=2)


def test_duplicates_stay_together():
    records = make_records(30)
    content = {record["id"]: "same" if record["id"] in ("003", "017") else record["id"] for record in records}
    for seed in range(20):
        check_sound(hold_out(records, seed=seed, content=content)[0], records, content)


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (0.0, 0.2, "validation_fraction must lie between 0 and 1, got 0"),
        (0.2, 1.0, "test_fraction must lie between 0 and 1, got 1"),
        (0.5, 0.5, "leave nothing to train with"),
    ],
)
def test_fractions_that_cannot_be(validation, test, message):
    with pytest.raises(ValueError, match=message):
        hold_out(make_records(10), validation, test)


def test_too_few_patients():
    with pytest.raises(ValueError, match="2 images of 2 patients"):
        hold_out(make_records(2))
