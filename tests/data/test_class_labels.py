# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from monai_kd.data import BreastUltrasoundDataset, PooledDataset, ProbabilitySaver, class_weights, read_dataset
from monai_kd.data.datasets.class_labels import label_classes
from tests.data.layout_fixtures import make_breast, make_bus_bra, make_busi, make_plain

CLASSES = ("benign", "malignant")
SECTIONS = ("training", "validation", "test")


def records(*pathologies):
    return [{"id": str(i), "label": "mask.png", "pathology": name} for i, name in enumerate(pathologies)]


def test_the_label_is_the_class_index_in_the_order_given():
    found = records("benign", "malignant", "benign")
    assert [record["label"] for record in label_classes(found, CLASSES, "images")] == [0, 1, 0]
    assert [record["label"] for record in label_classes(found, CLASSES[::-1], "images")] == [1, 0, 1]
    assert found[0]["label"] == "mask.png"  # the records themselves are as before


def test_others_are_left_out_and_named_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    found = label_classes(records("normal", "benign", "unknown", "malignant"), CLASSES, "images")
    assert [record["id"] for record in found] == ["1", "3"]
    assert "images: 2 of 4 are left out because they are neither benign nor malignant: 0, 2" in caplog.text


def test_three_classes_are_as_good_as_two():
    found = label_classes(records("normal", "benign", "malignant"), ("normal", *CLASSES), "images")
    assert [record["label"] for record in found] == [0, 1, 2]


@pytest.mark.parametrize(
    ("pathologies", "classes", "message"),
    [
        (["unknown"], CLASSES, r"no image is benign or malignant \(there are: 1 unknown\).*column 'pathology'"),
        (["benign", "benign"], CLASSES, r"images: no image is malignant \(there are: 2 benign\)"),
        (["benign", "malignant"], ["benign"], r"two or more different pathologies, got \['benign'\]"),
        (["benign", "malignant"], ["benign", "benign"], r"two or more different pathologies"),
        ([], CLASSES, r"there are: none"),
    ],
)
def test_what_cannot_be_learned_is_refused(pathologies, classes, message):
    with pytest.raises(ValueError, match=message):
        label_classes(records(*pathologies), classes, "images")


def test_one_class_can_be_tested_on():
    assert len(label_classes(records("benign"), CLASSES, "images", every=False)) == 1
    with pytest.raises(ValueError, match="no image is benign or malignant"):
        label_classes(records("normal"), CLASSES, "images", every=False)


@pytest.mark.parametrize("make", [make_breast, make_bus_bra, make_busi], ids=lambda make: make.__name__)
def test_a_data_set_gives_image_and_class(make, tmp_path):
    root = make(tmp_path, cases=range(1, 25)) if make is make_breast else make(tmp_path)
    pathology = {record["id"]: record["pathology"] for record in read_dataset(root)}
    seen = 0
    for section in ("training", "test"):
        for sample in BreastUltrasoundDataset(root, section, classes=CLASSES, progress=False):
            assert sample["label"] == CLASSES.index(pathology[sample["id"]])
            assert sample["image"].ndim == 3
            seen += 1
    assert seen


def test_plain_folders_without_pathology_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"test images of .*patients\.csv"):
        BreastUltrasoundDataset(make_plain(tmp_path), "test", classes=CLASSES)


def test_weights_make_the_loss_the_mean_of_the_classes():
    labels = torch.tensor([0, 0, 0, 0, 0, 1])
    weights = class_weights([{"label": int(label)} for label in labels], 2)
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    each = nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (each[labels == 0].mean() + each[labels == 1].mean()) / 2
    torch.testing.assert_close(nn.CrossEntropyLoss(weights)(logits, labels), expected)
    assert weights[labels].mean().item() == pytest.approx(1)


def test_a_pool_has_no_classes(tmp_path):
    labelled = make_breast(tmp_path / "labelled", cases=range(30, 54))
    pool = make_busi(tmp_path / "pool")
    dataset = PooledDataset(labelled, pool, classes=CLASSES, progress=False)
    labels = {(record["has_label"], record["label"]) for record in dataset.data}
    assert labels == {(1, 0), (1, 1), (0, -100)}
    assert nn.CrossEntropyLoss(reduction="sum")(torch.zeros(1, 2), torch.tensor([-100])) == 0


def test_probabilities_are_a_table_with_names(tmp_path):
    saver = ProbabilitySaver(tmp_path / "new", CLASSES)
    saver.save_batch(torch.tensor([[0.25, 0.75], [1.0, 0.0]]), {"filename_or_obj": ["a, b", "c"]})
    saver.finalize()
    text = (tmp_path / "new" / "predictions.csv").read_text()
    assert text.splitlines() == ["id,benign,malignant", '"a, b",0.250000,0.750000', "c,1.000000,0.000000"]
    saver.save(torch.tensor([0.5, 0.5]), {"filename_or_obj": "d"})
    saver.finalize()
    assert (tmp_path / "new" / "predictions.csv").read_text().splitlines()[1:] == ["d,0.500000,0.500000"]


def test_an_existing_table_survives_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "predictions.csv").write_text("former")
    ProbabilitySaver(tmp_path, CLASSES)
    assert (tmp_path / "predictions.csv").read_text() == "former"
