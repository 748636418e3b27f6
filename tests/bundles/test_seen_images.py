# SPDX-License-Identifier: Apache-2.0
"""No score is of images that a network knows from its training."""

import logging

import pytest

from monai_kd.bundle.record import load_record
from monai_kd.bundle.record.seen_images import digests
from monai_kd.utils.messages import first_cause
from tests.bundles.conftest import run_bundle, run_classification

OTHER = {"fold": 1}  # another random split


def refused(caught):
    return str(first_cause(caught.value, (ValueError,)))


def test_an_evaluation_on_images_of_the_training_is_refused(student, phantoms, tmp_path, caplog):
    places = {"checkpoint": student, "dataset_dir": phantoms}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("evaluate", output_dir=str(tmp_path / "no"), **places, **OTHER)
    assert "of these" in refused(caught) and "--seen-images warn" in refused(caught)
    assert not (tmp_path / "no" / "scores.csv").exists()
    run_bundle("evaluate", output_dir=str(tmp_path / "learned"), section="training", **places)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING and "saw" in one.message]
    run_bundle("evaluate", output_dir=str(tmp_path / "allowed"), seen_images="warn", **places, **OTHER)
    assert "in its training" in caplog.text and (tmp_path / "allowed" / "scores.csv").is_file()


def test_a_teacher_of_another_split_is_refused(teacher, phantoms, tmp_path):
    places = {"dataset_dir": phantoms, "output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train", teacher_checkpoint=teacher, **places, **OTHER)
    assert f"'{teacher}' saw" in refused(caught)
    run_bundle("train", teacher_checkpoint=teacher, seen_images="warn", **places, **OTHER)
    own, all_seen = (digests(load_record(path)["seen_images"]) for path in (teacher, places["checkpoint"]))
    assert own < all_seen  # so that an evaluation of the student on its own split is refused, too
    with pytest.raises(RuntimeError) as caught:
        run_bundle("evaluate", checkpoint=places["checkpoint"], dataset_dir=phantoms, output_dir=str(tmp_path), **OTHER)
    assert "model.pt' saw" in refused(caught)


def test_weights_to_start_from_count(student, teacher, phantoms, tmp_path):
    files = {"initial_checkpoint": student, "teacher_checkpoint": teacher, "checkpoint": str(tmp_path / "model.pt")}
    with pytest.raises(RuntimeError) as caught:
        run_bundle(["train", "initial_weights"], dataset_dir=phantoms, output_dir=str(tmp_path), **files, **OTHER)
    assert "in its training" in refused(caught)


def test_classifiers_too(class_student, phantoms, tmp_path):
    places = {"checkpoint": class_student, "dataset_dir": phantoms, "output_dir": str(tmp_path)}
    run_classification("evaluate", **places)
    with pytest.raises(RuntimeError) as caught:
        run_classification("evaluate", **places, **OTHER)
    assert f"'{class_student}' saw" in refused(caught)
