# SPDX-License-Identifier: Apache-2.0
"""Other calls of the teacher or student during a training do not change one bit of it."""

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import nn

from monai_kd import (
    CachedTeacher,
    DistillationTrainer,
    FeatureHookHandler,
    LiveTeacher,
    Pathway,
    Pathways,
    add_loss_term,
)
from monai_kd.engines import PrepareBatchViews
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import ChannelAdapter, Ensemble
from monai_kd.transforms import View
from tests.helpers import assert_identical

CPU = torch.device("cpu")
EVENTS = [
    Events.EPOCH_STARTED,
    Events.GET_BATCH_COMPLETED,
    Events.ITERATION_STARTED,
    IterationEvents.FORWARD_COMPLETED,
    IterationEvents.LOSS_COMPLETED,
    IterationEvents.BACKWARD_COMPLETED,
    Events.ITERATION_COMPLETED,
    Events.EPOCH_COMPLETED,
]


def unet(width, seed):
    torch.manual_seed(seed)
    return UNet(2, 1, 2, channels=(width, 2 * width), strides=(2,))


def images(count, side):
    generator = torch.Generator().manual_seed(side)
    drawn = [torch.rand(1, side, side, generator=generator) for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).float()} for image in drawn]


def loader(count, side, batch_size):
    return torch.utils.data.DataLoader(images(count, side), batch_size=batch_size)


def live():
    return unet(8, 1), "model.0"


def opened():
    return LiveTeacher(unet(8, 1), ["", "model.0"]), "model.0"


def cached():
    return CachedTeacher(unet(8, 1), ["", "model.0"]), "model.0"


def ensemble():
    return Ensemble([unet(8, 1), unet(8, 2)]), "members.1.model.0"


def train(make_teacher, event=None, evaluated=None, side=16):
    """All weights after two epochs, if ``evaluated`` is run at every ``event``."""
    student = unet(4, 0)
    teacher, layer = make_teacher()
    pathways = Pathways(
        logits=Pathway(LogitsKLLoss()),
        hidden=Pathway(nn.MSELoss(), "model.0", layer, student_adapter=ChannelAdapter(2, 4, 8)),
    )
    views = {"prepare_batch": PrepareBatchViews(View(), teacher=View(), aligned=True)}
    trainer = DistillationTrainer(
        network=student,
        teacher=teacher,
        pathways=pathways,
        optimizer=torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1),
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=CPU,
        max_epochs=2,
        train_data_loader=loader(4, 16, 2),
        **(views if make_teacher is cached else {}),
    )
    if event is not None:
        network = evaluated(student, getattr(teacher, "network", teacher))
        other = SupervisedEvaluator(device=CPU, val_data_loader=loader(3, side, 1), network=network)
        trainer.add_event_handler(event, lambda engine: other.run())
    trainer.run()
    return {**student.state_dict(), **pathways.state_dict()}


@pytest.fixture(scope="module")
def alone():
    return {make: train(make) for make in (live, opened, cached, ensemble)}


def its_teacher(student, teacher):
    return teacher


def its_student(student, teacher):
    return student


def a_network_around_the_teachers_layer(student, teacher):
    return nn.Sequential(dict(teacher.named_modules())["model.0"], nn.Conv2d(8, 2, 1))


def a_network_around_the_students_layer(student, teacher):
    return nn.Sequential(student.model[0], nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
@pytest.mark.parametrize("evaluated", [its_teacher, its_student])
def test_an_evaluation_at_any_event_changes_nothing(alone, event, evaluated):
    assert_identical(train(live, event, evaluated), alone[live])


@pytest.mark.parametrize("make_teacher", [opened, cached, ensemble])
@pytest.mark.parametrize("event", [IterationEvents.LOSS_COMPLETED, Events.EPOCH_COMPLETED], ids=lambda e: e.name)
@pytest.mark.parametrize("side", [16, 24])
def test_an_evaluation_of_any_teacher_changes_nothing(alone, make_teacher, event, side):
    assert_identical(train(make_teacher, event, its_teacher, side), alone[make_teacher])


@pytest.mark.parametrize(
    "evaluated", [a_network_around_the_teachers_layer, a_network_around_the_students_layer], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("event", [Events.ITERATION_STARTED, IterationEvents.LOSS_COMPLETED], ids=lambda e: e.name)
def test_an_evaluation_of_a_shared_part_changes_nothing(alone, event, evaluated):
    assert_identical(train(live, event, evaluated), alone[live])


@pytest.mark.parametrize("event", EVENTS[2:], ids=lambda event: event.name)
def test_features_in_a_stock_trainer_are_those_of_its_own_step(event):
    def sizes(event=None):
        student, seen = unet(4, 0), []
        trainer = SupervisedTrainer(
            device=CPU,
            max_epochs=1,
            train_data_loader=loader(4, 16, 2),
            network=student,
            optimizer=torch.optim.SGD(student.parameters(), 0.1),
            loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
            train_handlers=[FeatureHookHandler(student, ["model.0"])],
        )
        trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda e: seen.append(e.state.features["model.0"]))
        other = SupervisedEvaluator(device=CPU, val_data_loader=loader(3, 24, 1), network=student)
        if event is not None:
            trainer.add_event_handler(event, lambda engine: other.run())
        trainer.run()
        return seen

    assert_identical(dict(enumerate(sizes(event))), dict(enumerate(sizes())))


def test_a_handler_that_asks_the_teacher_itself_leaves_its_features_alone():
    """A handler calls the teacher on another image at LOSS_COMPLETED, before and after the trainer does."""
    seen = []

    def ask(engine):
        seen.append(engine.state.teacher_features["model.0"])
        engine.teacher(torch.rand(1, 1, 24, 24))
        add_loss_term(engine, "other", 0.0 * engine.state.output["pred"].sum())
        seen.append(engine.state.teacher_features["model.0"])

    student = unet(4, 0)
    pathways = Pathways(hidden=Pathway(nn.MSELoss(), "model.0", student_adapter=ChannelAdapter(2, 4, 8)))
    trainer = DistillationTrainer(
        network=student,
        teacher=live()[0],
        pathways=pathways,
        optimizer=torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1),
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=CPU,
        max_epochs=1,
        train_data_loader=loader(4, 16, 2),
    )
    trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, ask)
    trainer.run()
    assert len(seen) == 4 and all(feature.shape == (2, 8, 8, 8) for feature in seen)
