# SPDX-License-Identifier: Apache-2.0
import copy
import re

import pytest
import torch
from monai.bundle import ConfigParser

from tests.bundles.conftest import TINY, run_bundle, unet

ENSEMBLE, AVERAGE = ["train", "teachers/ensemble"], ["train", "teachers/self_ema"]


def member_def():
    """The definition of the members: teachers as tiny as the fixture's."""
    return {**unet(4, 4, 6, 6), "_mode_": "callable"}


def files(folder):
    return {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")}


def causes_of(error):
    causes = []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    return causes


@pytest.fixture
def second(tmp_path):
    """The checkpoint of another tiny teacher, untrained."""
    network = ConfigParser(TINY).get_parsed_content("teacher_def")
    torch.save(network.state_dict(), tmp_path / "second.pt")
    return str(tmp_path / "second.pt")


def test_a_student_learns_from_several_teachers(phantoms, teacher, second, tmp_path):
    workflow = run_bundle(
        ENSEMBLE,
        teacher_member=member_def(),
        dataset_dir=phantoms,
        teacher_checkpoint=[teacher, second, teacher],
        **{"pathways#logits#student_layer": ["", "encoder"]},
        **{"pathways#logits#teacher_layer": ["", "members.1.model.1.submodule.1.submodule.1.submodule"]},
        **{"pathways#logits#student_adapter": ["$torch.nn.Identity()", "$torch.nn.Conv2d(4, 6, 1)"]},
        **files(tmp_path),
    )
    ensemble = workflow.parser.get_parsed_content("teacher_def")
    for member, file in zip(ensemble.members, (teacher, second, teacher), strict=True):
        saved = torch.load(file, weights_only=True)
        assert all(torch.equal(value, saved[key]) for key, value in member.state_dict().items())
    assert workflow.trainer.state.epoch == 1
    assert torch.load(tmp_path / "model.pt", weights_only=True).keys() == workflow.network_def.state_dict().keys()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"teacher_checkpoint": ["none.pt", "none.pt"]}, r"No checkpoint at 'none\.pt'"),
        ({"teacher_checkpoint": "none.pt"}, r"got 1 member\(s\)\. Give two or more"),
        (
            {"teacher_member#channels": [4, 4, 8, 8]},
            r"'teacher_member#channels' is \[4, 4, 8, 8\], but .* trained with",
        ),
    ],
    ids=["missing", "only one", "another network's"],
)
def test_what_is_wrong_with_a_member_is_one_clear_error(arguments, cause, phantoms, teacher, second, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_checkpoint": [teacher, second], "teacher_member": member_def()}
    common |= files(tmp_path)
    with pytest.raises(RuntimeError) as caught:
        run_bundle(ENSEMBLE, **{**common, **arguments})
    causes = causes_of(caught.value)
    assert any(re.search(cause, text) for text in causes), causes


def test_a_run_of_other_teachers_is_not_continued(phantoms, teacher, second, tmp_path):
    common = {"dataset_dir": phantoms, "teacher_member": member_def(), **files(tmp_path)}
    run_bundle(ENSEMBLE, teacher_checkpoint=[teacher, second], **common)
    with pytest.raises(RuntimeError) as caught:
        run_bundle(ENSEMBLE, teacher_checkpoint=[second, teacher], **common)
    assert re.search(r"written by a run with another teacher", str(caught.value.__cause__))


class Recorder:
    """Averages the student's weights by itself, from the equation."""

    def attach(self, engine):
        from ignite.engine import Events

        def follow(engine):
            for average, now in zip(self.average, engine.network.parameters(), strict=True):
                average.mul_(0.99).add_(now.detach(), alpha=0.01)

        self.average = [parameter.detach().clone() for parameter in engine.network.parameters()]
        engine.add_event_handler(Events.ITERATION_COMPLETED, follow)
        Recorder.latest = self


def test_the_average_of_the_student_teaches_it(phantoms, tmp_path):
    workflow = run_bundle(
        AVERAGE,
        dataset_dir=phantoms,
        teacher_checkpoint="none.pt",
        max_epochs=2,
        **{"train#handlers#1": {"_target_": "tests.bundles.test_teachers.Recorder"}},
        **files(tmp_path),
    )
    average = workflow.parser.get_parsed_content("teacher_def")
    torch.testing.assert_close(list(average.parameters()), Recorder.latest.average)
    assert not torch.equal(next(average.parameters()), next(workflow.network_def.parameters()))
    assert workflow.trainer.teacher.network is average
    assert torch.load(tmp_path / "model.pt", weights_only=True).keys() == workflow.network_def.state_dict().keys()


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_killed_and_started_again_it_ends_like_a_whole_run(norm, phantoms, tmp_path):
    def train(folder, **kwargs):
        arguments = {"dataset_dir": phantoms, "max_epochs": 3, "network_def#norm": norm}
        return run_bundle(AVERAGE, **arguments, **files(tmp_path / folder), **kwargs)

    whole = train("whole")
    with pytest.raises(RuntimeError, match="trainer"):
        train("parts", **{"train#handlers#1": {"_target_": "tests.bundles.test_breast_ultrasound.Kill", "epoch": 2}})
    parts = train("parts")
    for name in ("network_def", "teacher_def"):
        states = [copy.deepcopy(w.parser.get_parsed_content(name).state_dict()) for w in (whole, parts)]
        assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True)), name


def test_a_changing_teacher_cannot_be_cached(phantoms, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run_bundle([*AVERAGE, "views/plain_teacher", "cached_teacher"], dataset_dir=phantoms, **files(tmp_path))
    causes = causes_of(caught.value)
    assert any(re.search(r"weights changed.*run live", text) for text in causes), causes
