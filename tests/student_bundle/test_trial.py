# SPDX-License-Identifier: Apache-2.0
"""A new bundle is tried before it is written; the message says whether the teacher's own bundle fails too."""

import json
import shutil

import numpy as np
import pytest
import torch

from monai_kd.student_bundle import Request, make_draft, write_bundle
from monai_kd.student_bundle.trial.try_bundle import try_bundle
from tests.student_bundle.zoo_bundles import edit

BROKEN = {"_target_": "Lambdad", "keys": "image", "func": "$lambda x: x.no_such_thing"}
ONLY_ZEROS = (
    "from monai.networks.nets import UNet\n\n\nclass Net(UNet):\n"
    "    def forward(self, x):\n        if x.any():\n            raise RuntimeError('images are too bright')\n"
    "        return super().forward(x)\n"
)


def request(root, zoo, **values):
    return Request(root, str(zoo / "student.json"), zoo / "ct_data", **values)


def refusal(root, zoo, folder, **values):
    draft = make_draft(request(root, zoo, **values))
    before = sorted(root.rglob("*"))
    with pytest.raises(ValueError) as caught:
        write_bundle(draft, [], folder, zoo / "ct_data")
    assert not folder.exists() and sorted(root.rglob("*")) == before
    assert "\n" not in str(caught.value) and "--no-try" in str(caught.value)
    return str(caught.value), draft


def in_training(ct):
    edit(ct, "train", train__random_transforms=[BROKEN])


def in_validation(ct):
    edit(ct, "train", validate__postprocessing={"_target_": "Compose", "transforms": [BROKEN]})


def in_evaluation(ct):
    evaluate = json.loads((ct / "configs" / "evaluate.json").read_text())
    evaluate["validate#postprocessing"]["transforms"] = [BROKEN]
    (ct / "configs" / "evaluate.json").write_text(json.dumps(evaluate))


def in_inference(ct):
    edit(ct, "inference", postprocessing={"_target_": "Compose", "transforms": [BROKEN]})


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (in_training, "training"),
        (in_validation, "training"),
        (in_evaluation, "evaluation"),
        (in_inference, "inference"),
    ],
)
def test_a_teacher_that_fails_itself_is_told_by_its_own_error(spoil, what, ct, zoo, tmp_path):
    spoil(ct)
    said, draft = refusal(ct, zoo, tmp_path / "new")
    assert f"The teacher's own {what}, in '{ct}', fails in its first step" in said and "no_such_thing" in said
    assert write_bundle(draft, [], tmp_path / "new", zoo / "ct_data", tried=False) == []
    assert (tmp_path / "new" / "configs" / "train.json").is_file()


def test_a_student_that_fails_is_told_beside_the_teacher_that_runs(ct, zoo, tmp_path):
    (ct / "scripts").mkdir()
    (ct / "scripts" / "net.py").write_text(ONLY_ZEROS)
    edit(ct, "train", imports=["$import glob", "$import os", "$import scripts.net"])
    student = {"_target_": "scripts.net.Net", "spatial_dims": 3, "in_channels": 1, "out_channels": 2}
    student |= {"channels": [4, 8], "strides": [2]}
    (tmp_path / "student.json").write_text(json.dumps(student))
    draft = make_draft(Request(ct, str(tmp_path / "student.json"), zoo / "ct_data"))
    with pytest.raises(ValueError, match=r"new bundle's training fails.*the teacher's own does not.*too bright"):
        write_bundle(draft, [], tmp_path / "new", zoo / "ct_data")


def test_no_images_for_inference_are_told(ct, zoo, tmp_path):
    data = shutil.copytree(zoo / "ct_data", tmp_path / "data")
    shutil.rmtree(data / "imagesTs")
    draft = make_draft(Request(ct, str(zoo / "student.json"), data))
    (note,) = write_bundle(draft, [], tmp_path / "new", data)
    assert "inference was not tried, because it finds no image in" in note and str(data) in note


def test_the_trial_leaves_no_trace(ct, zoo, tmp_path):
    draft, new = make_draft(request(ct, zoo)), tmp_path / "new"
    write_bundle(draft, draft.pairs, new, zoo / "ct_data", tried=False)
    files = sorted(new.rglob("*"))
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    assert try_bundle(new, draft.bundle, str(zoo / "ct_data"), str(zoo / "ct_data")) == []
    assert torch.rand(1) == expected[0] and np.random.rand() == expected[1]
    assert sorted(new.rglob("*")) == files
