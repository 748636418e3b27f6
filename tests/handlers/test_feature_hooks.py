# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.handlers import ValidationHandler
from torch import nn

from monai_kd import FeatureHookHandler

CPU = torch.device("cpu")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 1))


def batches(count=3, size=2):
    generator = torch.Generator().manual_seed(count)
    images = [torch.rand((size, 1, 8, 8), generator=generator) for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).long()[:, 0]} for image in images]


def trainer(student, max_epochs=1, handlers=()):
    return SupervisedTrainer(
        device=CPU,
        max_epochs=max_epochs,
        train_data_loader=batches(),
        network=student,
        optimizer=torch.optim.SGD(student.parameters(), 0.1),
        loss_function=nn.CrossEntropyLoss(),
        train_handlers=handlers,
    )


def evaluator(student):
    return SupervisedEvaluator(device=CPU, val_data_loader=batches(2, size=1), network=student)


def hooked(student):
    return [name for name, module in student.named_modules() if module._forward_hooks]


def record(engine, event, seen):
    engine.add_event_handler(event, lambda e: seen.append({k: v.clone() for k, v in e.state.features.items()}))


def test_features_of_any_engine():
    student, seen = network(), []
    engine = Engine(lambda engine, image: student(image).sum())
    FeatureHookHandler(student, ["0", "1", ""]).attach(engine)
    record(engine, Events.ITERATION_COMPLETED, seen)
    images = [batch["image"] for batch in batches()]
    engine.run(images, max_epochs=2)
    assert len(seen) == 6
    for features, image in zip(seen, images * 2, strict=True):
        assert list(features) == ["0", "1", ""]
        torch.testing.assert_close(features["0"], student[0](image))
        torch.testing.assert_close(features["1"], student[:2](image))
        torch.testing.assert_close(features[""], student(image))


def test_features_of_an_evaluator_are_not_in_its_output():
    student, seen, outputs = network(), [], []
    engine = evaluator(student)
    FeatureHookHandler(student, ["0"]).attach(engine)
    record(engine, Events.ITERATION_COMPLETED, seen)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: outputs.append(e.state.output))
    engine.run()
    for features, batch in zip(seen, batches(2, size=1), strict=True):
        torch.testing.assert_close(features["0"], student[0](batch["image"]))
    assert all(set(sample) == {"image", "label", "pred"} for output in outputs for sample in output)


def test_features_of_a_trainer_carry_gradients_from_the_forward_pass_on():
    student, seen = network(), []
    engine = trainer(student)
    FeatureHookHandler(student, ["1"]).attach(engine)
    for event in (IterationEvents.FORWARD_COMPLETED, IterationEvents.LOSS_COMPLETED, Events.ITERATION_COMPLETED):
        engine.add_event_handler(event, lambda e: seen.append(e.state.features["1"]))
    engine.run()
    assert len(seen) == 9
    assert all(feature.requires_grad and feature.shape == (2, 3, 8, 8) for feature in seen)


def test_hooks_are_there_only_during_a_run():
    student, during = network(), []
    engine = evaluator(student)
    FeatureHookHandler(student, ["0", "2"]).attach(engine)
    engine.add_event_handler(Events.ITERATION_STARTED, lambda e: during.append(hooked(student)))
    for _ in range(3):
        assert hooked(student) == []
        engine.run()
    assert during == [["0", "2"]] * 6
    assert all(len(module._forward_hooks) == 0 for module in student.modules())


def test_each_run_has_its_own_features():
    student, seen = network(), []
    engine = Engine(lambda engine, image: student(image))
    FeatureHookHandler(student, ["0"]).attach(engine)
    record(engine, Events.ITERATION_COMPLETED, seen)
    for size in (1, 3):
        engine.run([torch.zeros(size, 1, 8, 8)])
    assert [len(features["0"]) for features in seen] == [1, 3]


@pytest.mark.parametrize("event", [Events.ITERATION_COMPLETED, Events.EPOCH_COMPLETED])
def test_validation_on_the_same_network_is_dropped(event):
    student, seen = network(), []
    engine = trainer(student, max_epochs=2)
    FeatureHookHandler(student, ["0"]).attach(engine)
    validator = evaluator(student)
    engine.add_event_handler(event, lambda e: validator.run())
    record(engine, IterationEvents.LOSS_COMPLETED, seen)
    engine.run()
    assert len(seen) == 6
    assert all(features["0"].shape == (2, 3, 8, 8) for features in seen)


def test_validation_with_its_own_handler_keeps_its_own_features():
    student, seen = network(), {"train": [], "validate": []}
    validator = evaluator(student)
    engine = trainer(student, handlers=[ValidationHandler(1, validator)])
    for name, each in (("train", engine), ("validate", validator)):
        FeatureHookHandler(student, ["0"]).attach(each)
        record(each, Events.ITERATION_COMPLETED, seen[name])
    engine.run()
    assert [len(f["0"]) for f in seen["train"]] == [2, 2, 2]
    assert [len(f["0"]) for f in seen["validate"]] == [1, 1]
    assert hooked(student) == []


def test_after_an_error_close_removes_the_hooks():
    student = network()
    engine = Engine(lambda engine, image: student(image) / 0 if engine.state.iteration == 1 else student(image, "bad"))
    handler = FeatureHookHandler(student, ["0"])
    handler.attach(engine)
    with pytest.raises(TypeError):
        engine.run([torch.zeros(1, 1, 8, 8)] * 2)
    handler.close()
    assert hooked(student) == []
    handler.close()


def test_after_an_error_the_next_run_hooks_once():
    student = network()
    handler = FeatureHookHandler(student, ["0"])
    broken, engine = (Engine(lambda engine, image: student(image)) for _ in range(2))
    broken.add_event_handler(Events.ITERATION_COMPLETED, lambda e: 1 / 0)
    for each in (broken, engine):
        handler.attach(each)
    with pytest.raises(ZeroDivisionError):
        broken.run([torch.zeros(2, 1, 8, 8)])
    engine.run([torch.zeros(2, 1, 8, 8)])
    assert engine.state.features["0"].shape == (2, 3, 8, 8)
    assert hooked(student) == []


def test_unknown_layer_is_refused():
    with pytest.raises(ValueError, match=r"No layer '7' in Sequential\. Closest: "):
        FeatureHookHandler(network(), ["7"])


def test_layer_that_does_not_run_is_named():
    student = network()
    engine = Engine(lambda engine, image: student[:2](image))
    FeatureHookHandler(student, ["0", "2"]).attach(engine)
    with pytest.raises(ValueError, match=r"Layer '2' of Sequential did not run"):
        engine.run([torch.zeros(1, 1, 8, 8)])
