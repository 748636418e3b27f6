# SPDX-License-Identifier: Apache-2.0
import random
import re

import pytest

from monai_kd.label.studies.validation import patient_parts, study_split


def names(count, seed=0):
    return [f"{seed}-{i}" for i in range(count)]


def test_every_labelled_image_has_one_part_and_no_patient_two():
    records = [{"id": f"{i}", "patient": f"p{i % 30}"} for i in range(90)]
    split = study_split(records, patient_parts([record["patient"] for record in records], {}))
    assert sorted(split["training"] + split["validation"], key=int) == [str(i) for i in range(90)]
    patients = [{int(key) % 30 for key in split[part]} for part in ("training", "validation")]
    assert not patients[0] & patients[1] and split["test"] == []


def test_about_a_fifth_judges():
    parts = list(patient_parts(names(1000), {}).values())
    assert 160 < parts.count("validation") < 240


@pytest.mark.parametrize("seed", range(40))
def test_nobody_changes_parts_while_the_study_grows(seed):
    everybody = names(60, seed)
    random.Random(seed).shuffle(everybody)
    parts: dict[str, str] = {}
    for count in range(2, 60):
        new = patient_parts(everybody[:count], parts)
        assert all(new[name] == part for name, part in parts.items())
        assert {"training", "validation"} == {new[name] for name in everybody[:count]}
        parts = new


@pytest.mark.parametrize(("patients", "judges"), [(2, 1), (3, 1), (6, 3), (10, 5)])
def test_of_every_two_patients_one_judges_until_there_are_five(patients, judges):
    for seed in range(20):
        parts = list(patient_parts(names(patients, seed), {}).values())
        assert parts.count("validation") >= judges and "training" in parts


def test_a_patient_whose_labels_were_removed_keeps_the_part():
    parts = patient_parts(["a", "b", "c"], {"a": "validation", "gone": "training"})
    assert parts["gone"] == "training" and parts["a"] == "validation"


def test_one_patient_is_too_few():
    message = (
        "3 labelled images of 1 patients: one is needed for training, another for validation. Label images of at least "
        "two patients."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        patient_parts(["a", "a", "a"], {})


def test_only_judges_are_left():
    with pytest.raises(ValueError, match=r"none for training\. Label the images of another patient"):
        patient_parts(["a", "b"], {"a": "validation", "b": "validation"})
