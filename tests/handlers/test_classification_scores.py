# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import Activationsd
from PIL import Image
from torch import nn

from monai_kd.handlers import ClassificationScoresHandler

CLASSES = ("benign", "malignant")


class Brightness(nn.Module):
    """A network whose logit of "malignant" is the image's mean."""

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.zeros_like(mean), mean], 1)


def samples(*pairs):
    """Logit and class of each image."""
    return [
        {"id": f"case{number}", "image": torch.full((1, 4, 4), logit), "label": label}
        for number, (logit, label) in enumerate(pairs)
    ]


FOUR = samples((-2.0, 0), (0.5, 0), (-0.5, 1), (2.0, 1))


def evaluator(handler, data=FOUR, batch_size=3, **arguments):
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(data), batch_size=batch_size),
        network=Brightness(),
        val_handlers=[handler],
        **{"postprocessing": Activationsd("pred", softmax=True), **arguments},
    )


def table(folder):
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def summary(folder):
    return json.loads((folder / "summary.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_image_has_its_row(tmp_path, batch_size):
    evaluator(ClassificationScoresHandler(tmp_path / "new" / "folder", CLASSES), batch_size=batch_size).run()
    assert table(tmp_path / "new" / "folder") == [
        {"id": "case0", "probability": "0.119203", "label": "benign", "prediction": "benign"},
        {"id": "case1", "probability": "0.622459", "label": "benign", "prediction": "malignant"},
        {"id": "case2", "probability": "0.377541", "label": "malignant", "prediction": "benign"},
        {"id": "case3", "probability": "0.880797", "label": "malignant", "prediction": "malignant"},
    ]


def test_the_summary_is_of_these_rows(tmp_path):
    evaluator(ClassificationScoresHandler(tmp_path, CLASSES)).run()
    found = summary(tmp_path)
    assert found.pop("images") == {"benign": 2, "malignant": 2}
    rows = [(float(row["probability"]), row["label"] == "malignant") for row in table(tmp_path)]
    assert found == pytest.approx(
        {
            "roc_auc": 0.75,
            "balanced_accuracy": 0.5,
            "sensitivity": 0.5,
            "specificity": 0.5,
            "calibration_error": np.mean([abs(p - y) for p, y in rows]),  # each sample is in a bin of its own
            "brier_score": np.mean([(p - y) ** 2 for p, y in rows]),
        },
        abs=1e-5,
    )


def test_undefined_is_null(tmp_path):
    evaluator(ClassificationScoresHandler(tmp_path, CLASSES), samples((1.0, 1), (2.0, 1))).run()
    found = summary(tmp_path)
    assert found["roc_auc"] is found["specificity"] is found["balanced_accuracy"] is None
    assert found["sensitivity"] == 1.0 and found["images"] == {"benign": 0, "malignant": 2}


def test_there_is_a_reliability_diagram(tmp_path):
    evaluator(ClassificationScoresHandler(tmp_path, CLASSES)).run()
    picture = np.asarray(Image.open(tmp_path / "reliability.png").convert("RGB")).astype(int)
    blue = (picture[..., 2] - picture[..., 0] > 80).mean()
    assert min(picture.shape[:2]) > 300 and 0.001 < blue < 0.3  # points and bars


def test_two_runs_do_not_mix(tmp_path):
    handler = ClassificationScoresHandler(tmp_path, CLASSES)
    broken = evaluator(handler)
    broken.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.run()
    assert not list(tmp_path.iterdir())
    engine = evaluator(handler)
    engine.run()
    engine.run()
    assert len(table(tmp_path)) == 4


def test_a_failed_write_leaves_the_former_file(tmp_path, monkeypatch):
    handler = ClassificationScoresHandler(tmp_path, CLASSES)
    evaluator(handler).run()
    former = (tmp_path / "summary.json").read_text()

    def fail(source, target, **arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"Writing '.*' failed: No space left"):
        patch.setattr(os, "replace", fail)
        patch.setattr("pathlib.Path.replace", fail)
        evaluator(handler, FOUR[:3]).run()
    assert (tmp_path / "summary.json").read_text() == former
    assert not list(tmp_path.glob(".partial*"))


def test_logits_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"output of case0 has shape \(2,\).*Activationsd"):
        evaluator(ClassificationScoresHandler(tmp_path, CLASSES), postprocessing=None).run()


def test_batches_must_be_split(tmp_path):
    with pytest.raises(ValueError, match="decollate=True"):
        evaluator(ClassificationScoresHandler(tmp_path, CLASSES), decollate=False, postprocessing=None).run()


def test_images_need_names(tmp_path):
    data = [{key: value for key, value in item.items() if key != "id"} for item in FOUR]
    with pytest.raises(ValueError, match=r"needs 'id' in the data, which hold \['image', 'label'\]"):
        evaluator(ClassificationScoresHandler(tmp_path, CLASSES), data).run()


def test_it_scores_one_class_against_another(tmp_path):
    with pytest.raises(ValueError, match=r"one class against another, got classes=\['a', 'b', 'c'\]"):
        ClassificationScoresHandler(tmp_path, ["a", "b", "c"])
