# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from monai_kd.label.validation import study_split


def records(count, patients=None):
    return [{"id": f"{i}", "patient": f"p{i if patients is None else i % patients}"} for i in range(count)]


def test_every_labelled_image_has_one_part_and_no_patient_two():
    split = study_split(records(90, patients=30))
    assert sorted(split["training"] + split["validation"], key=int) == [str(i) for i in range(90)]
    patients = [{int(key) % 30 for key in split[part]} for part in ("training", "validation")]
    assert not patients[0] & patients[1] and split["test"] == []
    assert 0 < len(patients[1]) < 15


@pytest.mark.parametrize("count", range(2, 12))
def test_both_parts_have_images_however_few(count):
    split = study_split(records(count))
    assert split["training"] and split["validation"]


def test_no_image_moves_from_training_to_validation_while_the_study_grows():
    trained: set[str] = set()
    for count in range(4, 200):
        split = study_split(records(count))
        assert not trained & set(split["validation"])
        trained |= set(split["training"])


def test_one_patient_is_too_few():
    message = "3 labelled images of 1 patients: one trains, another judges. Label the images of two patients at least."
    with pytest.raises(ValueError, match=re.escape(message)):
        study_split(records(3, patients=1))
