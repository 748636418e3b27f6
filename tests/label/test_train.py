# SPDX-License-Identifier: Apache-2.0
"""A student distilled from a study's labels, without a server."""

import errno
import json
import re
import shutil

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("monailabel")

from monai_kd.label import train
from monai_kd.label.bundle import AppBundle
from monai_kd.label.train import DistilTask
from monai_kd.phantom import write_phantoms
from tests.label.apps import tiny_app

LABELLED = [f"{i:06d}" for i in range(1, 7)]
QUICK = {"max_epochs": 1, "device": "cpu"}


@pytest.fixture
def task(tmp_path):
    app = tiny_app(tmp_path)
    write_phantoms(tmp_path / "phantoms", count=9)
    study = tmp_path / "images"
    (tmp_path / "phantoms" / "original").rename(study)
    (study / "labels" / "final").mkdir(parents=True)
    for key in LABELLED:
        shutil.copy(tmp_path / "phantoms" / "GT" / f"{key}.png", study / "labels" / "final")
    return DistilTask(AppBundle(app / "bundle"), study, app / "runs")


def config(task):
    (folder,) = task.runs.glob("training-*")
    return json.loads((folder / "train.json").read_text())


def test_labels_supervise_the_teacher_distils_and_unlabelled_images_take_part(task):
    result = task({**QUICK, "pathway": "logits_mse", "distillation_weight": 0.5, "supervised_weight": 0.25}, None)
    made = config(task)
    assert sorted(made["split"]["training"] + made["split"]["validation"]) == LABELLED
    assert (result["training_images"], result["validation_images"]) == tuple(
        len(made["split"][p]) for p in ("training", "validation")
    )
    assert made["train"]["dataset"]["_target_"] == "monai_kd.data.PooledDataset"
    assert made["train"]["dataset"]["unlabelled"] == str(task.study)
    own = task.bundle.parser("methods/logits_mse")["pathways"]["logits"]["weight"]
    assert made["pathways"]["logits"]["weight"] == own * 0.5 and made["supervised_weight"] == 0.25
    assert made["train"]["trainer"]["teacher"]["_target_"] == "monai_kd.CachedTeacher"  # once for each image, and kept
    assert task.stats() == json.loads((task.runs / "last.json").read_text()) == result


def test_without_unlabelled_images_and_from_scratch(task):
    task({**QUICK, "unlabelled": False, "pretrained": False}, None)
    made = config(task)
    assert made["train"]["dataset"]["_target_"] == "monai_kd.data.BreastUltrasoundDataset"
    assert not any("load_weights" in line for line in made["initialize"])


def test_everything_labelled(task):
    for image in task.study.glob("*.png"):
        if image.stem not in LABELLED:
            image.unlink()
    assert task(QUICK, None)["training_images"] + len(config(task)["split"]["validation"]) == 6


def test_a_label_that_was_copied_into_the_study_and_lies_elsewhere_is_named(task):
    first = task.study / "labels" / "final" / f"{LABELLED[0]}.png"
    values = np.asarray(Image.open(first)).T.astype(np.uint8)
    for affine, message in (
        (np.diag([-1.0, 1, 1, 1]), "is not at its image's position"),
        ([[-1, 0, 0, values.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "mirrored or exchanged"),
    ):
        first.unlink(missing_ok=True)
        nibabel.save(nibabel.Nifti1Image(values[..., None], np.array(affine, float)), first.with_suffix(".nii.gz"))
        with pytest.raises(ValueError, match=f"{LABELLED[0]}.nii.gz' .*{message}"):
            task(QUICK, None)


def test_it_begins_with_the_student_in_service(task):
    before = torch.load(task.bundle.student, weights_only=True)["model"]
    task({**QUICK, "learning_rate": 1e-12}, None)
    (folder,) = task.runs.glob("training-*")
    after = torch.load(folder / "model.pt", weights_only=True)
    parameters = [key for key in after if "running" not in key and "num_batches" not in key]
    assert all(torch.allclose(after[key], before[key], atol=1e-6) for key in parameters)


EVEN, LOW, HIGH = (dict.fromkeys("abcde", value) for value in (0.5, 0.4, 0.6))


@pytest.mark.parametrize(
    ("before", "after", "published", "reason"),
    [
        (EVEN, HIGH, True, "Published: mean Dice 0.500 before and 0.600 after, better on 5 of 5 images, worse on 0."),
        (EVEN, LOW, False, "Not published: mean Dice 0.500 before and 0.400 after on 5 images. It must be higher."),
        (EVEN, EVEN, False, "Not published: mean Dice 0.500 before and 0.500 after on 5 images. It must be higher."),
        ({"a": 0.1}, {"a": 0.9}, False, "Not published: only 1 image with a lesion judged, and 5 are needed."),
        ({}, {}, False, "Not published: only 0 images with a lesion judged, and 5 are needed."),
        (EVEN, {**LOW, "a": 1.0}, False, "0.520 after, but it is better on 1 images and worse on 4 of 5."),
        (EVEN, {**EVEN, "a": 0.6}, True, "better on 1 of 5 images, worse on 0."),
    ],
)
def test_a_student_is_published_if_it_is_better_and_the_annotator_is_told(
    task, monkeypatch, before, after, published, reason
):
    given = iter((before, after))
    monkeypatch.setattr(train, "scores", lambda *_: next(given))
    kept = task.bundle.student.read_bytes()
    result = task(QUICK, None)
    assert result["published"] == published and reason in result["reason"] and result["judges"] == len(after)
    assert task.stats()["reason"] == result["reason"]
    (folder,) = task.runs.glob("training-*")
    assert task.bundle.student.read_bytes() == ((folder / "model.pt").read_bytes() if published else kept)


def test_where_none_is_in_service_any_student_is_better(task):
    task.bundle.student.unlink()
    result = task(QUICK, None)
    assert result["published"] and result["reason"] == "Published: there was no student in service."


def test_a_student_whose_server_has_ended_is_not_published(task, monkeypatch):
    kept, given = task.bundle.student.read_bytes(), iter((EVEN, HIGH))
    monkeypatch.setattr(train, "scores", lambda *_: next(given))
    monkeypatch.setenv("MONAI_KD_LABEL_SERVER", "1")
    with pytest.raises(ValueError, match="The server has ended"):
        task(QUICK, None)
    assert task.bundle.student.read_bytes() == kept


def test_the_score_is_the_dice_of_the_judges(task):
    result = task(QUICK, None)
    (folder,) = task.runs.glob("training-*")
    rows = (folder / "before" / "scores.csv").read_text().splitlines()
    judges = config(task)["split"]["validation"]
    assert [row.split(",")[0] for row in rows[1:]] == judges
    column = rows[0].split(",").index("dice")
    mean = sum(float(row.split(",")[column]) for row in rows[1:]) / len(judges)
    assert result["before"] == pytest.approx(mean, abs=1e-4)


def test_a_full_disk_leaves_the_student_in_service(task, monkeypatch):
    kept = task.bundle.student.read_bytes()

    def full(source, place):
        place.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    given = iter((EVEN, HIGH))
    monkeypatch.setattr(train, "scores", lambda *_: next(given))
    monkeypatch.setattr(train.shutil, "copyfile", full)
    with pytest.raises(ValueError, match=re.escape("No space left on device. Free some space. An earlier file there")):
        task(QUICK, None)
    assert task.bundle.student.read_bytes() == kept
    assert sorted(path.name for path in task.bundle.student.parent.iterdir()) == ["model.pt", "teacher.pt"]


def test_what_is_missing_is_said_before_anything_is_trained(task):
    kept = task.bundle.teacher.read_bytes()
    task.bundle.teacher.unlink()
    with pytest.raises(FileNotFoundError, match=r"a training needs one\. Copy its weights to .*teacher\.pt"):
        task(QUICK, None)
    task.bundle.teacher.write_bytes(kept)
    for key in LABELLED[1:]:
        (task.study / "labels" / "final" / f"{key}.png").unlink()
    with pytest.raises(ValueError, match="1 labelled images of 1 patients"):
        task(QUICK, None)
    (task.study / "labels" / "final" / f"{LABELLED[0]}.png").unlink()
    with pytest.raises(ValueError, match="has a label yet"):
        task(QUICK, None)
