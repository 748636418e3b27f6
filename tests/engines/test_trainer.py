# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.handlers import CheckpointSaver, ValidationHandler
from monai.inferers import SlidingWindowInferer
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways, add_loss_term, loss_terms
from monai_kd.handlers import AdversarialLogitsHandler, ResumeHandler
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import PatchLogitsDiscriminator

CPU = torch.device("cpu")
SUPERVISED = DiceCELoss(softmax=True, to_onehot_y=True)


def unet(width, spatial_dims=2, seed=0):
    torch.manual_seed(seed)
    return UNet(spatial_dims, 1, 2, channels=(width, 2 * width), strides=(2,), num_res_units=1)


def batches(spatial_dims=2, count=4, side=16):
    generator = torch.Generator().manual_seed(7)
    images = [torch.rand((2, 1, *[side] * spatial_dims), generator=generator) for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).float()} for image in images]


def logits():
    return Pathways(logits=Pathway(LogitsKLLoss(temperature=2.0), weight=0.5))


def hidden():
    torch.manual_seed(1)
    adapter = nn.Conv2d(4, 8, 1)
    return Pathways(
        logits=Pathway(LogitsKLLoss(), weight=0.5),
        hint=Pathway(nn.MSELoss(), "model.0", student_adapter=adapter, weight=0.1),
    )


def make(pathways, student=None, data=None, optimizer=None, **kwargs):
    student = unet(4) if student is None else student
    parameters = [*student.parameters(), *pathways.parameters()]
    arguments = {
        "network": student,
        "teacher": unet(8, seed=5),
        "pathways": pathways,
        "optimizer": optimizer or torch.optim.SGD(parameters, 0.1),
        "loss_function": SUPERVISED,
        "supervised_weight": 0.5,
        "device": CPU,
        "max_epochs": 1,
        "train_data_loader": batches() if data is None else data,
    }
    return DistillationTrainer(**{**arguments, **kwargs})


def by_hand(student, teacher, data, accumulate=1):
    """The training step in plain PyTorch."""
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    teacher.eval()
    for i, batch in enumerate(data):
        if i % accumulate == 0:
            optimizer.zero_grad()
        z_s = student(batch["image"])
        with torch.no_grad():
            z_t = teacher(batch["image"])
        p, q = (z_t / 2).softmax(1), (z_s / 2).log_softmax(1)
        divergence = 4 * (p * (p.log() - q)).sum(1).mean()
        ((0.5 * SUPERVISED(z_s, batch["label"]) + 0.5 * divergence) / accumulate).backward()
        if (i + 1) % accumulate == 0:
            optimizer.step()
    return student


def assert_same_weights(a, b, **tolerance):
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y, msg=lambda text, name=name: f"{name}: {text}", **tolerance)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_trains_as_the_step_written_by_hand(spatial_dims):
    student, data = unet(4, spatial_dims), batches(spatial_dims)
    teacher = unet(8, spatial_dims, seed=5)
    expected = by_hand(copy.deepcopy(student), copy.deepcopy(teacher), data)
    make(logits(), student, data, teacher=teacher).run()
    assert_same_weights(student, expected)


def test_accumulated_steps_train_as_by_hand():
    student, data = unet(4), batches()
    expected = by_hand(copy.deepcopy(student), unet(8, seed=5), data, accumulate=2)
    make(logits(), student, data, accumulation_steps=2).run()
    assert_same_weights(student, expected)


@pytest.mark.parametrize("make_pathways", [logits, hidden])
@pytest.mark.parametrize(
    "kwargs",
    [
        {"compile": True, "compile_kwargs": {"backend": "eager"}},
        {"to_kwargs": {"memory_format": torch.channels_last}},
        {"inferer": SlidingWindowInferer(roi_size=16, sw_batch_size=1)},
    ],
    ids=["compiled", "channels-last", "sliding window of the whole image"],
)
def test_way_of_running_changes_nothing(make_pathways, kwargs):
    plain, other = unet(4), unet(4)
    make(make_pathways(), plain).run()
    make(make_pathways(), other, **kwargs).run()
    assert_same_weights(plain, other, atol=1e-5, rtol=1e-4)


def test_meta_tensors_train_as_plain_tensors():
    plain, other = unet(4), unet(4)
    make(hidden(), plain).run()
    make(hidden(), other, [{k: MetaTensor(v) for k, v in batch.items()} for batch in batches()]).run()
    assert_same_weights(plain, other)


def test_sliding_windows_reach_hidden_layers_and_output():
    trainer = make(hidden(), inferer=SlidingWindowInferer(roi_size=8, sw_batch_size=2))
    trainer.run()
    assert set(loss_terms(trainer.state.output)) == {"loss", "supervised_loss", "logits", "hint"}


def test_terms_are_weighted_and_sum_to_the_loss():
    trainer = make(hidden())
    trainer.run()
    terms = loss_terms(trainer.state.output)
    total = terms.pop("loss")
    assert total == pytest.approx(sum(terms.values()), rel=1e-6)


def test_half_and_half_is_the_papers_total():
    data = batches(count=1)
    student, teacher = unet(4), unet(8, seed=5)
    pathways = Pathways(logits=Pathway(nn.MSELoss(), weight=0.5))
    with torch.no_grad():
        z_s, z_t = student(data[0]["image"]), teacher(data[0]["image"])
        expected = 0.5 * (z_s - z_t).square().mean() + 0.5 * nn.CrossEntropyLoss()(z_s, data[0]["label"][:, 0].long())
    cross_entropy = lambda prediction, label: nn.functional.cross_entropy(prediction, label[:, 0].long())  # noqa: E731
    trainer = make(pathways, student, data, teacher=teacher, loss_function=cross_entropy)
    trainer.run()
    assert loss_terms(trainer.state.output)["loss"] == pytest.approx(expected.item(), rel=1e-6)


def test_teacher_stays_as_it_was():
    teacher = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))
    before = copy.deepcopy(teacher.state_dict())
    make(logits(), teacher=teacher).run()
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())


def test_teacher_has_its_own_view():
    seen = []

    class Teacher(nn.Conv2d):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    data = [{**batch, "weak": batch["image"] + 1} for batch in batches(count=1)]
    make(logits(), data=data, teacher=Teacher(1, 2, 1), teacher_image="weak").run()
    torch.testing.assert_close(seen[0], data[0]["weak"])
    with pytest.raises(ValueError, match=r"teacher_image='strong' is not in the batch.*'weak'"):
        make(logits(), data=data, teacher_image="strong").run()


def test_hooks_survive_validation_and_end_with_the_run():
    student = unet(4)
    evaluator = SupervisedEvaluator(device=CPU, val_data_loader=batches(count=1), network=student)
    trainer = make(hidden(), student, max_epochs=2, train_handlers=[ValidationHandler(1, evaluator)])
    trainer.run()
    assert trainer.state.iteration == 8
    assert all(not module._forward_hooks for module in student.modules())


def test_no_hook_outlives_a_run_that_fails():
    student = unet(4)
    trainer = make(hidden(), student)

    @trainer.on(Events.ITERATION_COMPLETED)
    def fail(engine):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        trainer.run()
    assert all(not module._forward_hooks for module in student.modules())


def test_a_handler_adds_a_term():
    class Extra:
        def attach(self, engine):
            from monai.engines.utils import IterationEvents

            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine):
            self.seen = sorted(k for k in map(str, engine.state.output))
            add_loss_term(engine, "extra", engine.state.output["pred"].square().mean())

    extra, student = Extra(), unet(4)
    trainer = make(logits(), student, batches(count=1), train_handlers=[extra])
    trainer.run()
    assert "logits" in extra.seen  # handlers see the distillation terms
    terms = loss_terms(trainer.state.output)
    assert terms["loss"] == pytest.approx(terms["supervised_loss"] + terms["logits"] + terms["extra"], rel=1e-6)


def test_handlers_see_what_the_teacher_gave_until_the_next_iteration():
    seen, teacher, data = [], unet(8, seed=5), batches(count=2)
    trainer = make(hidden(), teacher=teacher, data=data)
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: seen.append(engine.state.teacher_features))
    for event in (IterationEvents.LOSS_COMPLETED, IterationEvents.BACKWARD_COMPLETED):
        trainer.add_event_handler(event, lambda engine: seen.append(engine.state.teacher_features))
    trainer.run()
    assert [sorted(features) for features in seen] == [[], ["", "model.0"], ["", "model.0"]] * 2
    with torch.no_grad():
        torch.testing.assert_close(seen[1][""], teacher(data[0]["image"]))
    assert all(type(f) is torch.Tensor and not f.requires_grad for f in seen[1].values())
    assert "teacher_features" not in loss_terms(trainer.state.output)


def test_a_term_is_one_number_with_a_free_name():
    trainer = make(logits())
    trainer.state.output = {"loss": torch.tensor(1.0)}
    with pytest.raises(ValueError, match=r"'map' has shape \(2,\)"):
        add_loss_term(trainer, "map", torch.ones(2))
    with pytest.raises(ValueError, match="'loss' is already in"):
        add_loss_term(trainer, "loss", torch.tensor(1.0))


def test_iteration_update_is_refused():
    with pytest.raises(ValueError, match="takes no iteration_update"):
        make(logits(), iteration_update=lambda engine, batch: {})


def test_pathways_must_be_pathways():
    with pytest.raises(ValueError, match=r"pathways is a Pathway\. Wrap it"):
        make(Pathway(LogitsKLLoss()))


def test_layers_are_checked_before_training():
    with pytest.raises(ValueError, match=r"No layer 'modl\.0' in UNet\. Closest: 'model\.0'"):
        make(Pathways(hint=Pathway(nn.MSELoss(), "modl.0", "model.0")))
    with pytest.raises(ValueError, match=r"No layer 'model\.9'"):
        make(Pathways(hint=Pathway(nn.MSELoss(), "model.0", "model.9")))


def test_teacher_with_other_channels_is_refused_before_any_step():
    student = unet(4)
    before = copy.deepcopy(student.state_dict())
    teacher = UNet(2, 1, 3, channels=(8, 16), strides=(2,))
    with pytest.raises(
        ValueError, match=r"'logits': student feature is \(2, 2, 16, 16\) but teacher feature is \(2, 3"
    ):
        make(logits(), student, teacher=teacher).run()
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_adapter_weights_outside_the_optimizer_are_refused():
    student = unet(4)
    with pytest.raises(ValueError, match=r"does not hold 2 parameters.*'hint\.student_adapters\.0\.weight'"):
        make(hidden(), student, optimizer=torch.optim.SGD(student.parameters(), 0.1))


def test_adapter_weights_outside_the_checkpoint_are_refused(tmp_path):
    student, pathways = unet(4), hidden()
    optimizer = torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1)
    state = {"network": student, "optimizer": optimizer}
    with pytest.raises(ValueError, match="Add 'pathways' to its save_dict"):
        make(pathways, student, optimizer=optimizer, train_handlers=[CheckpointSaver(str(tmp_path), state)])
    make(
        pathways,
        student,
        optimizer=optimizer,
        train_handlers=[CheckpointSaver(str(tmp_path), {**state, "p": pathways})],
    )


def test_adapter_weights_outside_the_state_of_a_resumable_run_are_refused(tmp_path):
    student, pathways = unet(4), hidden()
    optimizer = torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1)
    handler = ResumeHandler(tmp_path / "last.pt", {"network": student, "optimizer": optimizer})
    with pytest.raises(ValueError, match=r"A ResumeHandler saves the optimizer .*Add 'pathways' to its objects"):
        make(pathways, student, optimizer=optimizer, train_handlers=[handler])


def test_a_handler_whose_state_is_not_resumed_is_refused(tmp_path):
    student = unet(4)
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    critic = PatchLogitsDiscriminator(2, in_channels=2, num_classes=2, channels=4, num_layers=1)
    adversarial = AdversarialLogitsHandler(critic, torch.optim.SGD(critic.parameters(), 0.1))
    objects = {"network": student, "optimizer": optimizer}
    pathways = Pathways(logits=Pathway(torch.nn.L1Loss()))
    handlers = [ResumeHandler(tmp_path / "last.pt", objects), adversarial]
    with pytest.raises(ValueError, match=r"AdversarialLogitsHandler has a state that the ResumeHandler does not save"):
        make(pathways, student, optimizer=optimizer, train_handlers=handlers)
    whole = ResumeHandler(tmp_path / "last.pt", {**objects, "adversarial": adversarial})
    make(pathways, student, optimizer=optimizer, train_handlers=[whole, adversarial])


def test_teacher_that_shares_weights_with_the_student_is_refused():
    student = unet(4)
    before = [p.requires_grad for p in student.parameters()]
    with pytest.raises(ValueError, match=r"The teacher shares \d+ parameters with the student"):
        make(logits(), student, teacher=nn.Sequential(student, nn.Conv2d(2, 2, 1)))
    assert [p.requires_grad for p in student.parameters()] == before


def test_teacher_adapter_stays_as_it_was():
    adapter = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    before = copy.deepcopy(adapter.state_dict())
    student = unet(4)
    pathways = Pathways(logits=Pathway(nn.MSELoss(), teacher_adapter=adapter))
    make(pathways, student, optimizer=torch.optim.SGD(student.parameters(), 0.1)).run()
    assert all(torch.equal(value, before[key]) for key, value in adapter.state_dict().items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="MONAI's amp needs a CUDA device")
@pytest.mark.parametrize("make_pathways", [logits, hidden])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_on_the_gpu(make_pathways, dtype):
    student, reference = unet(4), unet(4)
    make(make_pathways(), reference, device=torch.device("cuda")).run()
    make(make_pathways(), student, device=torch.device("cuda"), amp=True, amp_kwargs={"dtype": dtype}).run()
    assert_same_weights(student, reference, atol=2e-2, rtol=5e-2)
