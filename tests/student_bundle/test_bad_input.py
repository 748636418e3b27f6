# SPDX-License-Identifier: Apache-2.0
"""What a bundle needs so that another network can replace its own; the message says what was found and what to do."""

import json
import shutil

import pytest
import torch

from monai_kd.student_bundle import Request, make_draft, write_bundle
from tests.student_bundle.zoo_bundles import edit, make_ct_data, save_weights

SECOND = {"num_channels": 1, "spatial_shape": [16, 16, 16], "channel_def": {}}
GAN = {"_target_": "GanTrainer", "g_network": "@gnetwork", "d_network": "@dnetwork"}
BY_HAND = "docs/distill.md"
LISTS = {"_target_": "BasicUNetPlusPlus", "features": [2, 2, 2, 2, 2, 2], "norm": "batch"}


def remove(*names):
    def change(root):
        for name in names:
            (root / name).unlink()

    return change


def change(name, **values):
    return lambda root: edit(root, name, **values)


def large_files(root):
    (root / "models" / "model.pt").unlink()
    (root / "large_files.yml").write_text("large_files: []\n")


def other_keys(root):
    state = torch.load(root / "models" / "model.pt", weights_only=True)
    torch.save({f"net.{key}": value for key, value in state.items()}, root / "models" / "model.pt")


def no_state(root):
    torch.save({"epoch": 3, "optimizer": {"lr": torch.tensor(1.0)}}, root / "models" / "model.pt")


def no_file_of_tensors(root):
    (root / "models" / "model.pt").write_text("version https://git-lfs.github.com/spec/v1\n")


def not_json(root):
    (root / "configs" / "train.json").write_text("{")


FROM_THE_TEACHER = "The student can learn such a class only from the teacher."
CASES = {
    "no training": (remove("configs/train.json"), ["No configs/train.json", "evaluate.json", "--config", BY_HAND]),
    "no inference": (remove("configs/inference.json"), ["No configs/inference.json", BY_HAND]),
    "no metadata": (remove("configs/metadata.json"), ["No configs/metadata.json", "inference.json", BY_HAND]),
    "no JSON": (not_json, ["train.json' is not JSON: Expecting property name", "line 1", "Correct"]),
    "unknown schema": (
        change("metadata", schema="https://somewhere/meta_schema_hovernet_20231024.json"),
        ["schema is", "hovernet", BY_HAND],
    ),
    "several inputs": (
        change("metadata", network_data_format__inputs__second=SECOND),
        ["2 inputs (image, second)", BY_HAND],
    ),
    "several outputs": (
        change("metadata", network_data_format__outputs__second=SECOND),
        ["2 outputs (pred, second)", BY_HAND],
    ),
    "no channels": (
        change("metadata", network_data_format__inputs={"image": {"spatial_shape": [8, 8]}}),
        ["num_channels"],
    ),
    "no trainer": (change("train", train__trainer="$1"), ["no component 'train#trainer'", BY_HAND]),
    "two networks": (change("train", train__trainer=GAN), ["is a GanTrainer", "SupervisedTrainer", BY_HAND]),
    "own step": (
        change("train", train__trainer__iteration_update="$my_step"),
        ["iteration_update='$my_step'", BY_HAND],
    ),
    "no dataset_dir": (change("train", dataset_dir=None), ["no id 'dataset_dir'", "Add it"]),
    "deep supervision": (
        change("train", network_def__deep_supervision=True, loss="$lambda heads, label: sum(map(torch.mean, heads))"),
        ["deep supervision", "DeepSupervisionLoss", BY_HAND],
    ),
    "network by expression": (
        change("train", network_def=None, network="$torch.jit.load('model.ts')"),
        ["no definition", '"network_def": {"_target_"', BY_HAND],
    ),
    "network of two": (
        change("train", flow_def={"_target_": "UNet"}, network="$Joined(@network_def, @flow_def)"),
        ["2 networks: network_def, flow_def", BY_HAND],
    ),
    "script missing": (
        change("train", imports=["$from scripts.net import Net"]),
        ["$from scripts.net import Net", "'scripts'", "copy them"],
    ),
    "optimizer by expression": (
        change("train", optimizer="$monai.optimizers.Novograd(@network.parameters())"),
        ["optimizer is", "Novograd", '"params"', BY_HAND],
    ),
    "weights loaded by hand": (
        change("train", initialize=["$@network.load_state_dict(torch.load('start.pt'))"]),
        ["'initialize' loads weights", "CheckpointLoader"],
    ),
    "no weights": (remove("models/model.pt"), ["The teacher's weights are not at", "--teacher-checkpoint"]),
    "large files": (large_files, ["python -m monai.bundle download_large_files --bundle_path"]),
    "other keys": (other_keys, ["weights of another network", "is not in the network", "--teacher-checkpoint"]),
    "no state dict": (no_state, ["holds no state dict", "epoch, optimizer"]),
    "no tensors": (no_file_of_tensors, ["cannot be read as weights", "pointer"]),
    "wrong arguments": (
        change("train", network_def__channels=[4, 8], network_def__nonsense=1),
        ["The teacher cannot be built from", "nonsense"],
    ),
    "other channels": (
        change("metadata", network_data_format__inputs__image__num_channels=4),
        ["The teacher, UNet, cannot take an image of shape (1, 4, 16, 16, 16)"],
    ),
    "other classes": (
        change("metadata", network_data_format__outputs__pred__num_channels=3),
        ["The teacher, UNet, gives (1, 2, 16, 16, 16)", "(1, 3, 16, 16, 16)", BY_HAND],
    ),
    "no network": (
        change("train", network_def={"_target_": "UNet", "_mode_": "callable"}),
        ["The teacher's definition makes a", "not a network"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bundle_that_cannot_be_a_teacher(name, ct, zoo):
    spoil, words = CASES[name]
    spoil(ct)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data"))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("returned", ["{'pred': x}", "{'pred': x, 'border': x}", "{'class': x.mean()}"])
def test_a_network_that_returns_a_dictionary(returned, ct, zoo):
    (ct / "scripts").mkdir()
    (ct / "scripts" / "__init__.py").write_text("")
    (ct / "scripts" / "net.py").write_text(
        "from monai.networks.nets import UNet\n\n\nclass Net(UNet):\n"
        f"    def forward(self, x):\n        x = super().forward(x)\n        return {returned}\n"
    )
    edit(ct, "train", network_def___target_="scripts.net.Net")
    request = Request(ct, str(zoo / "student.json"), zoo / "ct_data")
    if returned == "{'pred': x}":
        assert make_draft(request).teacher.parameters
        return
    problem = (
        "several outputs of one resolution: '\\[pred" if "border" in returned else "a dict without a tensor of pred"
    )
    with pytest.raises(ValueError, match=f"The teacher returned {problem}") as caught:
        make_draft(request)
    assert "One of them must be the answer" in str(caught.value) and BY_HAND in str(caught.value)


def test_no_bundle_and_no_data(ct, zoo, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a bundle"):
        make_draft(Request(tmp_path / "none", "StudentUNet", zoo / "ct_data"))
    with pytest.raises(FileNotFoundError, match=r"The data folder .* does not exist"):
        make_draft(Request(ct, "StudentUNet", tmp_path / "none"))


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("StudentUnet", ["No student 'StudentUnet'", "Closest: StudentUNet"]),
        ("xyz", ["Choose from: StudentUNet"]),
        ("none.json", ["No file 'none.json'. Correct the path."]),
        ({"channels": [1]}, ["does not define a network", "_target_"]),
        ({"_target_": "SegResNett"}, ["no network 'SegResNett'", "Closest: SegResNet"]),
        ({"_target_": "StudentUNet", "channels": "@channels"}, ["refers to @channels"]),
        ({"_target_": "StudentUNet", "depth": 3}, ["The student cannot be built from", "depth"]),
        (LISTS, ["The student, BasicUNetPlusPlus, gives a list for an image", BY_HAND]),
        ({"_target_": "StudentUNet", "channels": [4, 4], "out_channels": 5}, ["The student, StudentUNet, gives (1, 5"]),
        (
            {"_target_": "StudentUNet", "strides": [2, 2, 2, 2, 2]},
            ["The student, StudentUNet, cannot take an image of shape (1, 1, 16, 16, 16)", "33"],
        ),
    ],
)
def test_a_student_that_does_not_fit(student, words, zoo, tmp_path):
    if isinstance(student, dict):
        (tmp_path / "student.json").write_text(json.dumps(student))
        student = str(tmp_path / "student.json")
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        make_draft(Request(zoo / "ct", student, zoo / "ct_data"))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("count", "inside", "words"),
    [
        (2, 7, ["values [0.0, 7.0]", "0 background, 1 spleen", "MapLabelValued"]),
        (2, 0, ["None of 1 labels", "(spleen)", "all are background"]),
        (1, 1, ["No training image", "@train_datalist"]),
    ],
)
def test_data_without_the_teachers_classes(count, inside, words, zoo, tmp_path):
    data = make_ct_data(tmp_path / "data", count, inside)
    with pytest.raises(ValueError) as caught:
        make_draft(Request(zoo / "ct", str(zoo / "student.json"), data))
    for word in words:
        assert word in str(caught.value)


def test_data_of_other_names(ct, zoo):
    edit(ct, "train", train__dataset__data="$[{'t1': 'a', 't2': 'b', 'label': 'c'}]")
    with pytest.raises(ValueError, match=r"\['t1', 't2', 'label'\], but the trainer needs one 'image'"):
        make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data"))


def test_a_class_that_no_label_has_is_told(ct, zoo):
    for name in ("train", "inference"):
        edit(ct, name, network_def__out_channels=3)
    edit(
        ct,
        "metadata",
        network_data_format__outputs__pred__num_channels=3,
        network_data_format__outputs__pred__channel_def={"0": "background", "1": "spleen", "2": "liver"},
    )
    save_weights(ct)
    draft = make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data"))
    assert draft.notes == [
        "No liver in the 3 of 3 labels that were checked. The student can learn such a class only from the teacher."
    ]


def labels_of(ct, zoo, tmp_path, balls):
    """A data set whose list is sorted: ``balls`` labels with a class come last."""
    data = make_ct_data(tmp_path / "data", count=2)
    listed = json.loads((data / "dataset.json").read_text())
    (entry,) = listed["training"]
    shutil.copytree(make_ct_data(tmp_path / "empty", count=2, inside=0) / "labelsTr", data / "emptyTr")
    empty = {**entry, "label": entry["label"].replace("labelsTr", "emptyTr")}
    listed["training"] = [empty] * (40 - balls) + [entry] * balls
    (data / "dataset.json").write_text(json.dumps(listed))
    return make_draft(Request(ct, str(zoo / "student.json"), data)).notes


def test_labels_are_looked_at_from_all_along_a_sorted_list(ct, zoo, tmp_path):
    assert labels_of(ct, zoo, tmp_path, balls=10) == []


def test_empty_labels_are_no_proof_where_more_were_not_looked_at(ct, zoo, tmp_path):
    (note,) = labels_of(ct, zoo, tmp_path, balls=1)
    assert "None of 16 labels" in note and "(spleen)" in note and "The other 24 were not checked" in note


def multi_label(ct, loss):
    edit(ct, "train", loss={"_target_": "DiceLoss", **loss}, train__postprocessing={"_target_": "Compose"})
    transforms = json.loads((ct / "configs" / "train.json").read_text())["train"]["deterministic_transforms"]
    one_hot = {"_target_": "AsDiscreted", "keys": "label", "to_onehot": 2}
    edit(ct, "train", train__deterministic_transforms=[*transforms, one_hot])
    edit(ct, "metadata", network_data_format__outputs__pred__channel_def={"0": "organ", "1": "tumor"})


def test_the_first_of_overlapping_classes_is_no_background(ct, zoo, tmp_path):
    multi_label(ct, {"sigmoid": True})
    data = make_ct_data(tmp_path / "data", count=3, inside=0)
    draft = make_draft(Request(ct, str(zoo / "student.json"), data))
    assert draft.notes == [
        "No tumor in the 2 of 2 labels that were checked. The student can learn such a class only from the teacher."
    ]


def test_the_first_of_exclusive_classes_is_the_background(ct, zoo, tmp_path):
    multi_label(ct, {"softmax": True})
    data = make_ct_data(tmp_path / "data", count=3, inside=0)
    with pytest.raises(ValueError, match=r"None of 2 labels .* \(tumor\): all are background"):
        make_draft(Request(ct, str(zoo / "student.json"), data))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": "fitnet"}, ["No method 'fitnet'", "logits_kl"]),
        ({"settings": {"val_intervall": 2}}, ["--set val_intervall", "Closest: 'val_interval'"]),
    ],
)
def test_wrong_options(values, words, zoo):
    with pytest.raises(ValueError) as caught:
        make_draft(Request(zoo / "ct", str(zoo / "student.json"), zoo / "ct_data", **values))
    for word in words:
        assert word in str(caught.value)


def test_hidden_without_layers_to_compare(zoo, tmp_path):
    draft = make_draft(Request(zoo / "ct", str(zoo / "student.json"), zoo / "ct_data", method="hidden"))
    with pytest.raises(ValueError, match=r"no resolution in common.*--pairs"):
        write_bundle(draft, [], tmp_path / "new", zoo / "ct_data")
    assert not (tmp_path / "new").exists()


def test_a_bundle_that_does_not_stand_leaves_nothing_behind(ct, zoo, tmp_path):
    edit(ct, "train", loss={"_target_": "DiceLoss", "nonsense": 1})
    draft = make_draft(Request(ct, str(zoo / "student.json"), zoo / "ct_data"))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"The new bundle's train cannot be built.*nonsense"):
        write_bundle(draft, draft.pairs, folder / "new", zoo / "ct_data")
    assert not any(folder.iterdir())
