# SPDX-License-Identifier: Apache-2.0
"""Labels of lossy files: values that the teacher's own loss accepts are kept, and an option rounds all others."""

import json

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.student_bundle import Request, make_draft, write_bundle
from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.label_rounding import rounding
from monai_kd.student_bundle.teacher.label_values import LabelValues
from tests.student_bundle.zoo_bundles import edit

LESION = DataFormat((1, 4), 1, 2, {0: "background", 1: "lesion"})


def lossy(ct, most, less):
    """The ball in the labels has the value ``most``; every second of its voxels is lower by ``less``."""
    transforms = json.loads((ct / "configs" / "train.json").read_text())["train"]["deterministic_transforms"]
    values = {"_target_": "Lambdad", "keys": "label", "func": f"$lambda x: x * ({most} - x.cumsum(1) % 2 * {less})"}
    edit(ct, "train", train__deterministic_transforms=[*transforms, values])


def draft_of(ct, zoo, **values):
    return make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data", **values))


def test_values_beside_the_classes_that_the_loss_takes(ct, zoo):
    lossy(ct, 1.0, 0.004)
    (note,) = draft_of(ct, zoo).notes
    for word in ("spleen_", "0.996", "% of its pixels lie between the classes", "loss accepts them", "--round-labels"):
        assert word in note


@pytest.mark.parametrize("loss", [{"_target_": "torch.nn.CrossEntropyLoss"}, {"_target_": "FocalLoss"}])
def test_values_that_the_loss_does_not_take(loss, ct, zoo):
    lossy(ct, 1.0, 0.004)
    edit(ct, "train", loss=loss)
    with pytest.raises(ValueError, match=r"spleen_0.*0\.996.*which the loss does not accept.*--round-labels gives"):
        draft_of(ct, zoo)


@pytest.mark.parametrize("most", [1.0, 255.0])
def test_rounded_labels_are_classes_wherever_they_are_read(most, ct, zoo, tmp_path):
    lossy(ct, most, 0.004 * most)
    if most > 1:
        with pytest.raises(ValueError, match=r"has values \[0\.0, .*255\.0\].*--round-labels gives each pixel"):
            draft_of(ct, zoo)
    draft = draft_of(ct, zoo, round_labels=True)
    assert draft.notes == [] and draft.made["round_labels"] is True
    new = tmp_path / "new"
    write_bundle(draft, [], new, zoo / "ct_data")  # which tries a step of training, validation and evaluation
    files = [str(new / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    parser = ConfigParser(dict(ConfigParser.load_config_files(files)))
    parser["bundle_root"], parser["dataset_dir"] = str(new), str(zoo / "ct_data")
    for part in ("train", "validate"):
        samples = parser.get_parsed_content(f"{part}#dataset")[0]
        for sample in samples if isinstance(samples, list) else [samples]:
            assert torch.unique(torch.as_tensor(sample["label"])).tolist() in ([0, 1], [0], [1])
    assert 1 in torch.unique(torch.as_tensor(parser.get_parsed_content("validate#dataset")[0]["label"])).tolist()


def test_values_that_no_rule_rounds(ct, zoo):
    lossy(ct, 60.0, 1.0)
    with pytest.raises(ValueError, match=r"59\.0, 60\.0\].*MapLabelValued") as caught:
        draft_of(ct, zoo)
    assert "--round-labels" not in str(caught.value)
    with pytest.raises(ValueError, match=r"--round-labels: the labels have values from 0 to 60.*MapLabelValued"):
        draft_of(ct, zoo, round_labels=True)


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        ([0, 1, 254, 255], 2, {"threshold": 127.5}),
        ([0, 2, 253], 1, {"threshold": 127.5}),
        ([0.0, 0.004, 0.996, 1.0], 2, {"rounding": "torchrounding"}),
        ([-0.01, 1.99, 3.02], 4, {"rounding": "torchrounding"}),
        ([0, 127, 255], 3, None),
        ([-1, 255], 2, None),
        ([0, 1000], 2, None),
    ],
)
def test_which_rule_rounds(values, classes, expected):
    found = rounding(torch.tensor(values), classes)
    assert found == (expected and {"_target_": "AsDiscreted", "keys": "label", **expected})


def test_values_that_the_loss_leaves_out_are_no_class():
    label = torch.tensor([[[0.0, 1.0, 255.0, 1.0]]])
    assert LabelValues(label, "a.png", LESION, {255.0}).classes() == {0, 1}
    with pytest.raises(ValueError, match=r"a\.png' has values \[0\.0, 1\.0, 255\.0\]"):
        LabelValues(label, "a.png", LESION)
