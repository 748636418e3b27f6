# SPDX-License-Identifier: Apache-2.0
"""The classification bundle with wrong labels: which networks see them, and the overlay that learns from them."""

import re

import pytest
import torch

from monai_kd.study import read_plan
from monai_kd.study.running.run_configs import check_settings, row_configs
from tests.bundles.conftest import CLASSIFICATION, run_classification

NOISY = ["train", "methods/noisy_labels", "label_noise"]


def files(folder):
    return {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}


def labels(workflow, part):
    """The labels that a part of the data set teaches, and the true ones, by id."""
    dataset = workflow.parser.get_parsed_content(f"{part}#dataset")
    taught = {sample["id"]: int(sample["label"]) for sample in dataset}
    return taught, {record["id"]: record["label"] for record in dataset.data}


def test_a_share_of_the_training_labels_is_wrong_and_no_other(phantoms, class_teacher, tmp_path):
    common = {"dataset_dir": phantoms, "label_noise": 0.4, "seed": 3}
    plain = run_classification(["train_student", "label_noise"], **common, **files(tmp_path / "plain"))
    taught, true = labels(plain, "train")
    assert sum(taught[name] != true[name] for name in true) == round(0.4 * len(true))
    same, right = labels(plain, "validate")
    assert same == right
    filtered = run_classification(NOISY, teacher_checkpoint=class_teacher, **common, **files(tmp_path / "filtered"))
    assert labels(filtered, "train")[0] == taught
    assert labels(filtered, "validate") == (right, right)


def test_the_checkpoint_is_the_plain_student(phantoms, class_teacher, tmp_path):
    workflow = run_classification(
        NOISY, dataset_dir=phantoms, teacher_checkpoint=class_teacher, max_epochs=1, **files(tmp_path)
    )
    assert workflow.parser.get_parsed_content("pathways").state_dict()["noisy_label.loss.weight"].shape == (2, 2)
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert best.keys() == workflow.network_def.state_dict().keys()  # its softmax is of the true classes


def test_a_run_of_another_share_is_not_continued(phantoms, tmp_path):
    common = {"dataset_dir": phantoms, **files(tmp_path)}
    run_classification(["train_student", "label_noise"], label_noise=0.2, **common)
    with pytest.raises(RuntimeError) as caught:
        run_classification(["train_student", "label_noise"], label_noise=0.4, **common)
    assert re.search(r"another label_noise: '0.2' there, '0.4' here", str(caught.value.__cause__))


def test_a_teacher_of_a_clean_subset(phantoms, tmp_path):
    workflow = run_classification(["train_teacher", "clean_subset"], dataset_dir=phantoms, **files(tmp_path))
    split = workflow.parser.get_parsed_content("split")
    taught, true = labels(workflow, "train")
    assert list(taught) == split["training"][::3] and taught == true
    assert list(labels(workflow, "validate")[0]) == split["validation"]


def test_the_studies_compare_students_of_the_same_labels():
    pytest.importorskip("yaml")
    plans = [read_plan(CLASSIFICATION / "studies" / f"{name}.yaml") for name in ("noise", "noise_20")]
    for plan, share in zip(plans, (0.4, 0.2), strict=True):
        configs = {row.name: row_configs(plan, row)["train"] for row in plan.rows}
        check_settings(plan, {row.name: row_configs(plan, row) for row in plan.rows})
        shares = {name: config.get("label_noise") for name, config in configs.items()}
        assert {name for name, value in shares.items() if value is None} == {"Teacher", "Right_labels"}
        assert set(shares.values()) == {None, share}
    assert {**plans[0].settings, "label_noise": 0.2} == plans[1].settings
