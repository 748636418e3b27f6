# SPDX-License-Identifier: Apache-2.0
"""Trainings whose engines are called ``trainer`` and ``evaluator``, as in the Zoo's template."""

import json

import pytest
import torch

from monai_kd.student_bundle import Request, make_draft, write_bundle
from monai_kd.student_bundle.teacher.monai_ids import renamed_overlay, with_monai_ids
from tests.student_bundle.test_zoo_bundles import run

FORMER = {
    "train#trainer": "trainer",
    "train#dataset": "train_dataset",
    "train#dataloader": "train_loader",
    "train#preprocessing": "preprocessing",
    "train#handlers": "handlers",
    "train#deterministic_transforms": "base_transforms",
    "train#random_transforms": "random_transforms",
    "train#postprocessing": "postprocessing",
    "validate#evaluator": "evaluator",
    "validate#dataset": "val_dataset",
    "validate#dataloader": "val_loader",
    "validate#preprocessing": "val_preprocessing",
    "validate#postprocessing": "val_postprocessing",
}


def flat(node):
    """A config with former ids in the place of MONAI's."""
    if isinstance(node, dict):
        return {key: flat(value) for key, value in node.items()}
    if isinstance(node, list):
        return [flat(value) for value in node]
    for new, former in FORMER.items():
        if isinstance(node, str):
            node = node.replace(f"@{new}", f"@{former}").replace(f"%{new}", f"%{former}")
    return node


@pytest.fixture
def template(ct):
    """The CT bundle under the ids of segmentation_template, with an evaluation by itself."""
    train = json.loads((ct / "configs" / "train.json").read_text())
    inference = json.loads((ct / "configs" / "inference.json").read_text())
    parts = {"train": train.pop("train"), "validate": train.pop("validate")}
    for new, former in FORMER.items():
        part, name = new.split("#")
        train[former] = parts[part].pop(name)
    del train["trainer"]["inferer"], train["trainer"]["key_train_metric"]
    engine = train["evaluator"]
    engine["key_val_metric"] = parts["validate"]["key_metric"]  # in the engine itself, as there
    engine["val_handlers"] = parts["validate"]["handlers"]
    engine["inferer"] = parts["validate"]["inferer"]
    train["metriclogger"] = {"_target_": "MetricLogger", "evaluator": "@evaluator"}
    train["handlers"] = ["@metriclogger", *train["handlers"]]
    train["output_dir"] = "$datetime.datetime.now().strftime(@bundle_root + '/results/%H%M%S')"
    train["imports"] += ["$import datetime"]
    train["training"] = train.pop("run")
    (ct / "configs" / "train.json").write_text(json.dumps(flat(train)))
    (ct / "configs" / "evaluate.json").unlink()
    both = ["image", "label"]
    for transform in inference["preprocessing"]["transforms"]:
        if transform["_target_"] not in ("ScaleIntensityRanged",):
            transform["keys"] = both
    inference["datalist"] = train["val_datalist"]
    inference["data_list_file_path"] = train["data_list_file_path"]
    inference["dataset"]["data"] = "@datalist"
    inference["postprocessing"]["transforms"] = train["postprocessing"]["transforms"]
    inference["evaluator"]["key_val_metric"] = parts["validate"]["key_metric"]
    (ct / "configs" / "test.json").write_text(json.dumps(inference))
    overlay = {"train_loader#shuffle": False, "evaluator#amp": False}
    (ct / "configs" / "multi_gpu_train.json").write_text(json.dumps(overlay))
    return ct


def test_the_template_distils_evaluates_and_infers(template, zoo, tmp_path):
    new = tmp_path / "new"
    draft = make_draft(Request(template, str(zoo / "student.json"), zoo / "ct_data", epochs=1))
    assert draft.left_out == [] and draft.notes == []
    write_bundle(draft, draft.pairs, new, zoo / "ct_data")
    train = draft.configs["train"]
    assert train["train"]["trainer"]["max_epochs"] == 1 and train["trainer"] == "@train#trainer"
    assert train["output_dir"] == "$@bundle_root + '/eval'"  # a killed run finds its own folder again
    assert draft.configs["multi_gpu_train"] == {"train#dataloader#shuffle": False, "validate#evaluator#amp": False}
    assert draft.configs["evaluate"]["network_def"] == train["network_def"]
    run(new, ["train"], zoo / "ct_data")
    assert "encoder" in "".join(torch.load(new / "models" / "model.pt", weights_only=True))
    objects = torch.load(new / "eval" / "last.pt", weights_only=True)["objects"]
    assert len(objects["metric_log"]["loss"]) == 2 and "val_mean_dice" in objects["metric_log"]["metrics"]
    run(new, ["train"], zoo / "ct_data")  # resumed: it had ended already


def test_what_has_monais_ids_stays(zoo):
    train = json.loads((zoo / "ct" / "configs" / "train.json").read_text())
    assert with_monai_ids(train) == (train, {})
    assert renamed_overlay({"train::dataset#data": 1}, {}) == {"train::dataset#data": 1}


def test_former_ids_still_lead_to_their_objects():
    config, renamed = with_monai_ids(
        {
            "data": {"_target_": "Dataset", "data": [1]},
            "loader": {"_target_": "DataLoader", "dataset": "@data"},
            "trainer": {"_target_": "SupervisedTrainer", "train_data_loader": "@loader", "train_handlers": "$make()"},
        }
    )
    assert renamed == {"trainer": "train#trainer", "loader": "train#dataloader", "data": "train#dataset"}
    assert config["data"] == "@train#dataset" and config["train"]["dataloader"]["dataset"] == "@train#dataset"
    assert config["train"]["trainer"]["train_handlers"] == "$make()"


def test_references_to_parts_of_what_was_moved():
    trainer = {
        "_target_": "SupervisedTrainer",
        "train_data_loader": "@loader",
        "epoch_length": "$10 // @loader#batch_size",
    }
    new, renamed = with_monai_ids({"trainer": trainer, "loader": {"_target_": "DataLoader", "batch_size": 2}})
    assert new["train"]["trainer"]["epoch_length"] == "$10 // @train#dataloader#batch_size"
    assert new["train"]["dataloader"]["batch_size"] == 2 and renamed["loader"] == "train#dataloader"
