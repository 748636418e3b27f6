# SPDX-License-Identifier: Apache-2.0
"""Two sites distil one student with MONAI's federated client; neither images nor a teacher leave a site."""

import pytest
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject

from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import CLASSIFICATION, ROOT, tiny

CONFIGS = ["configs/train.json", "configs/methods/logits_and_hidden.json", "configs/federated.json"]


def client(name, seed, root, folder, teacher, **sizes):
    write_phantoms(folder / "data", count=24, seed=seed)
    given = {
        **tiny(["train"], root),
        **sizes,
        "dataset_dir": str(folder / "data"),
        "output_dir": str(folder),
        "rounds": 2,
    }
    given |= {"teacher_checkpoint": teacher, "checkpoint": str(folder / "local.pt")}
    site = MonaiAlgo(
        bundle_root=str(root),
        send_weight_diff=False,
        config_train_filename=CONFIGS,
        train_kwargs=given,
        config_evaluate_filename=CONFIGS,
        eval_kwargs={**given, "checkpoint": str(folder / "global.pt")},
    )
    site.initialize({ExtraItems.CLIENT_NAME: name})
    return site


def mean(weights):
    return {
        key: torch.stack([site[key].float() for site in weights]).mean(0).to(weights[0][key].dtype)
        for key in weights[0]
    }


@pytest.mark.parametrize("root", [ROOT, CLASSIFICATION], ids=lambda root: root.name)
def test_two_rounds(root, request, tmp_path):
    teacher = request.getfixturevalue("teacher" if root is ROOT else "class_teacher")
    sizes = {} if root is ROOT else {"student_channels": [2, 4, 4, 6]}
    sites = [client(name, seed, root, tmp_path / name, teacher, **sizes) for name, seed in (("one", 2), ("other", 3))]
    student = sites[0].train_workflow.network_def
    weights = {key: value.clone() for key, value in sites[0].get_weights().weights.items()}
    for _ in range(2):
        before = {key: value.clone() for key, value in weights.items()}
        for site in sites:
            site.train(ExchangeObject(weights=weights))
        sent = [site.get_weights().weights for site in sites]
        assert all(part.keys() == student.state_dict().keys() for part in sent)  # no teacher, no adapter
        assert any(not torch.equal(a, b) for a, b in zip(*(part.values() for part in sent), strict=True))
        weights = mean(sent)
        assert any(not torch.equal(value, before[key]) for key, value in weights.items())
        metrics = [site.evaluate(ExchangeObject(weights=weights)).metrics for site in sites]
        assert all(metric["val_mean_dice" if root is ROOT else "val_roc_auc"] >= 0 for metric in metrics)
    trained = torch.load(teacher, weights_only=True)
    for site in sites:
        assert site.trainer.state.epoch == 2
        own = site.train_workflow.parser.get_parsed_content("teacher_def").state_dict()
        assert all(torch.equal(own[key], value) for key, value in trained.items())
        site.finalize()
    assert (tmp_path / "one" / "global.pt").is_file()
