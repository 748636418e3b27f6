# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from tests.bundles.conftest import ROOT, run_bundle

VIEWS = sorted(path.stem for path in (ROOT / "configs" / "views").glob("*.json"))


def files(tmp_path):
    return {"output_dir": str(tmp_path), "checkpoint": str(tmp_path / "model.pt")}


@pytest.mark.parametrize("method", ["logits_kl", "hidden_mse"])
@pytest.mark.parametrize("views", VIEWS)
def test_every_view_trains_two_epochs(views, method, phantoms, teacher, tmp_path):
    workflow = run_bundle(
        ["train", f"methods/{method}", f"views/{views}"],
        dataset_dir=phantoms,
        teacher_checkpoint=teacher,
        max_epochs=2,
        **files(tmp_path),
    )
    trainer = workflow.trainer
    assert trainer.state.epoch == 2
    sample = trainer.state.batch[0]
    assert ("teacher_geometry" in sample) == (views != "shared")
    assert all(parameter.isfinite().all() for parameter in workflow.network_def.parameters())


@pytest.mark.parametrize("name", ["train_student", "train_teacher"])
def test_trainings_without_a_teacher_take_the_shared_views(name, phantoms, tmp_path):
    workflow = run_bundle([name, "views/shared"], dataset_dir=phantoms, **files(tmp_path))
    assert workflow.trainer.state.epoch == workflow.trainer.state.max_epochs == 1
    assert workflow.trainer.state.batch[0]["student_geometry"].shape == (2, 3)


def test_a_run_is_not_continued_with_other_views(phantoms, teacher, tmp_path):
    arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, **files(tmp_path)}
    run_bundle(["train", "views/shared"], **arguments)
    with pytest.raises(RuntimeError) as caught:
        run_bundle(["train", "views/plain_teacher"], **arguments)
    assert "another views" in str(caught.value.__cause__)


def test_a_killed_run_ends_like_a_whole_one(phantoms, teacher, tmp_path):
    def train(folder, **kwargs):
        arguments = {"dataset_dir": phantoms, "teacher_checkpoint": teacher, "max_epochs": 2}
        return run_bundle(["train", "views/weak_teacher"], **arguments, **files(tmp_path / folder), **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    states = [workflow.network_def.state_dict().values() for workflow in (whole, train("parts"))]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
