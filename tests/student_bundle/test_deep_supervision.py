# SPDX-License-Identifier: Apache-2.0
"""Teachers and students that are trained on several outputs."""

import json

import pytest
import torch
from monai.bundle import ConfigParser

from monai_kd.outputs import main_output
from monai_kd.student_bundle import Request, make_draft, run_training, write_bundle
from tests.student_bundle.test_variants import draft_of, read
from tests.student_bundle.zoo_bundles import edit, save_weights

DYN_UNET = {
    "_target_": "DynUNet",
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "upsample_kernel_size": [2, 2],
    "filters": [2, 2, 4],
    "deep_supervision": True,
    "deep_supr_num": 1,
}
NESTED = {"_target_": "BasicUNetPlusPlus", "features": [2, 2, 2, 2, 2, 2], "deep_supervision": True, "norm": "batch"}
SIDES = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
IMAGE = torch.rand(1, 1, 16, 16, 16)


def test_a_student_learns_on_all_its_outputs_and_answers_with_one(zoo, tmp_path):
    (tmp_path / "student.json").write_text(json.dumps(DYN_UNET))
    draft = make_draft(Request(zoo / "ct", str(tmp_path / "student.json"), zoo / "ct_data", epochs=1))
    new = tmp_path / "new"
    assert write_bundle(draft, [], new, zoo / "ct_data") == []
    assert read(new, "train")["train"]["trainer"]["loss_function"] == {
        "_target_": "DeepSupervisionLoss",
        "loss": "@loss",
    }
    run_training(new, zoo / "ct_data")
    before, after = draft.student.network.state_dict(), torch.load(new / "models" / "model.pt", weights_only=True)
    heads = [name for name in after if "deep_supervision_heads" in name]
    assert heads and not any(torch.equal(before[name], after[name]) for name in heads)


@pytest.mark.parametrize("network", [DYN_UNET, NESTED], ids=["DynUNet", "BasicUNetPlusPlus"])
def test_a_teacher_answers_with_its_main_output(network, ct, zoo, tmp_path):
    loss = {"_target_": "DeepSupervisionLoss", "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True}}
    edit(ct, "train", network_def={**network, **SIDES}, loss=loss)
    edit(ct, "inference", network_def={**network, **SIDES})
    save_weights(ct)
    settings = {"teacher_def#deep_supervision": False} if network is NESTED else {}
    draft = draft_of(ct, zoo, settings=settings)
    write_bundle(draft, draft.pairs, tmp_path / "new", zoo / "ct_data")
    parser = ConfigParser({**read(tmp_path / "new", "train"), "bundle_root": str(tmp_path / "new")})
    teacher = parser.get_parsed_content("teacher").eval()
    answer = main_output(teacher(IMAGE), IMAGE, "The teacher", "teacher")
    stock = ConfigParser(read(ct, "inference")).get_parsed_content("network_def").eval()
    stock.load_state_dict(torch.load(ct / "models" / "model.pt", weights_only=True))
    own = stock(IMAGE)
    assert torch.equal(answer, own[-1] if network is NESTED else own)  # the last nests all others
