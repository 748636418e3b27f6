# SPDX-License-Identifier: Apache-2.0
"""Gradient-based attention transfer, by hand in double precision and through MONAI's loop."""

import multiprocessing
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing
from monai.data import MetaTensor
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_kd import CachedTeacher, DistillationTrainer, Pathway, Pathways
from monai_kd.engines import PrepareBatchViews
from monai_kd.handlers import GradientAttentionHandler
from monai_kd.losses import LogitsKLLoss
from monai_kd.transforms import BatchRandFlip, BatchRandGaussianNoise, View
from tests.engines import two_processes
from tests.handlers.gradient_attention_processes import with_handler, work
from tests.helpers import assert_identical

CPU = torch.device("cpu")


def network(width, seed, spatial_dims=2, norm=True):
    torch.manual_seed(seed)
    conv, batch_norm = (nn.Conv2d, nn.BatchNorm2d) if spatial_dims == 2 else (nn.Conv3d, nn.BatchNorm3d)
    layers = [conv(1, width, 3, padding=1), batch_norm(width) if norm else nn.Identity(), nn.SiLU(), conv(width, 2, 1)]
    return nn.Sequential(*layers).double()


def batches(count=1, spatial_dims=2, side=4):
    generator = torch.Generator().manual_seed(7)
    images = [torch.rand((3, 1, *[side] * spatial_dims), generator=generator).double() for _ in range(count)]
    return [{"image": image, "label": (image > 0.5).long()} for image in images]


def task(prediction, label):
    return nn.functional.cross_entropy(prediction, label[:, 0])


def make(weight=2.0, student=None, teacher=None, data=None, pathways=None, handler=None, **kwargs):
    student = network(2, 0) if student is None else student
    pathways = pathways or Pathways(logits=Pathway(LogitsKLLoss(), weight=0.0))
    arguments = {
        "network": student,
        "teacher": network(3, 5) if teacher is None else teacher,
        "pathways": pathways,
        "optimizer": torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1),
        "loss_function": task,
        "device": CPU,
        "max_epochs": 1,
        "train_data_loader": batches() if data is None else data,
        "train_handlers": [handler or GradientAttentionHandler(weight)] if weight is not None else [],
    }
    return DistillationTrainer(**{**arguments, **kwargs})


def terms(trainer, name="gradient_attention"):
    seen = []
    trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda e: seen.append(e.state.output[name].item()))
    trainer.run()
    return seen


def by_differences(net, batch, step=1e-5):
    """B times the gradient of the task loss with respect to each pixel, by finite differences."""
    image, gradient = batch["image"].clone(), torch.zeros_like(batch["image"])
    with torch.no_grad():
        for index in torch.cartesian_prod(*(torch.arange(n) for n in image.shape)).tolist():
            values = []
            for sign in (1, -1):
                moved = image.clone()
                moved[tuple(index)] += sign * step
                values.append(task(net(moved), batch["label"]).item())
            gradient[tuple(index)] = len(image) * (values[0] - values[1]) / (2 * step)
    return gradient


def objective(student, teacher, batch, weight):
    """The step in plain PyTorch, with the teacher's gradient by finite differences."""
    image = batch["image"].clone().requires_grad_()
    loss = task(student(image), batch["label"])
    (gradient,) = torch.autograd.grad(loss, image, create_graph=True)
    difference = len(image) * gradient - by_differences(teacher.eval(), batch)
    return loss + weight * 0.5 * difference.flatten(1).square().sum(1).sqrt().mean()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_term_is_the_distance_of_gradients_by_finite_differences(spatial_dims):
    side = 4 if spatial_dims == 2 else 2
    batch = batches(spatial_dims=spatial_dims, side=side)[0]
    student, teacher = network(2, 0, spatial_dims), network(3, 5, spatial_dims).eval()
    difference = by_differences(student.train(), batch) - by_differences(teacher, batch)
    expected = 2.0 * 0.5 * difference.flatten(1).norm(dim=1).mean()
    (value,) = terms(make(student=network(2, 0, spatial_dims), teacher=teacher, data=[batch]))
    assert value == pytest.approx(expected.item(), rel=1e-6)


def test_step_is_that_of_the_objective_written_by_hand():
    (batch,) = batches()
    expected = network(2, 0)
    objective(expected, network(3, 5), batch, 2.0).backward()
    trainer = make()
    trainer.run()
    for parameter, by_hand in zip(trainer.network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, by_hand.grad, rtol=1e-5, atol=1e-9)


def test_matching_lowers_the_distance_of_the_gradients():
    """Both students learn the task; the one with the term looks at the image as the teacher does."""
    (batch,) = batches(side=6)
    teacher = network(6, 5, norm=False)
    optimizer = torch.optim.Adam(teacher.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        task(teacher(batch["image"]), batch["label"]).backward()
        optimizer.step()
    losses, distances = {}, {}
    for weight in (0.0, 3.0):
        student = network(4, 0, norm=False)
        adam = torch.optim.Adam(student.parameters(), 0.02)
        losses[weight] = terms(
            make(weight, student, teacher, [batch], max_epochs=200, optimizer=adam), "supervised_loss"
        )
        gradients = []
        for net in (student, teacher):
            image = batch["image"].clone().requires_grad_()
            gradients.append(torch.autograd.grad(task(net(image), batch["label"]), image)[0])
        distances[weight] = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert losses[3.0][-1] < 0.2 * losses[3.0][0]
    assert distances[3.0] < 0.2 and distances[0.0] > 0.3


def test_batch_statistics_and_the_teacher_are_as_without_it():
    runs = [make(weight, optimizer=torch.optim.SGD([torch.zeros(1)], 0.1)) for weight in (None, 2.0)]
    for trainer in runs:
        before = {k: v.clone() for k, v in trainer.teacher.network.state_dict().items()}
        trainer.run()
        assert_identical(trainer.teacher.network.state_dict(), before)
        assert all(p.grad is None for p in trainer.teacher.network.parameters())
    assert runs[1].network[1].num_batches_tracked == 1
    assert_identical(runs[1].network.state_dict(), runs[0].network.state_dict())


def test_dropout_is_the_same_as_in_the_loss():
    """One forward pass of the student in every step."""
    student, calls = network(2, 0), []
    student.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    make(student=student, data=batches(3)).run()
    assert len(calls) == 3


def test_hidden_pathways_are_as_without_it():
    def hidden():
        return Pathways(hint=Pathway(nn.MSELoss(), "0"))

    def run(weight):
        return terms(make(weight, network(3, 0), data=batches(3), pathways=hidden(), optimizer=frozen), "hint")

    frozen = torch.optim.SGD([torch.zeros(1)], 0.1)
    assert run(2.0) == run(None)


def test_gradients_accumulate_as_the_losses_do():
    data = batches(2)
    trainer = make(data=data, student=network(2, 0, norm=False), accumulation_steps=2)
    trainer.run()
    expected = network(2, 0, norm=False)
    for batch in data:
        (objective(expected, network(3, 5), batch, 2.0) / 2).backward()
    for parameter, by_hand in zip(trainer.network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, by_hand.grad, rtol=1e-5, atol=1e-9)


def test_unlabelled_samples_have_no_gradient():
    (batch,) = batches()
    value = terms(make(data=[{**batch, "has_label": torch.tensor([0, 0, 0])}]))
    assert value == [0.0]


def test_meta_tensors_and_windows_give_the_same_term():
    (batch,) = batches(side=8)
    plain = terms(make(student=network(2, 0, norm=False), data=[batch]))
    meta = {"image": MetaTensor(batch["image"]), "label": MetaTensor(batch["label"])}
    assert terms(make(student=network(2, 0, norm=False), data=[meta])) == pytest.approx(plain)
    whole = SlidingWindowInferer((8, 8), sw_batch_size=1)
    assert terms(make(student=network(2, 0, norm=False), data=[batch], inferer=whole)) == pytest.approx(plain)
    windows = SlidingWindowInferer((4, 4), sw_batch_size=2, overlap=0.5)
    assert terms(make(student=network(2, 0, norm=False), data=[batch], inferer=windows))[0] > 0


def test_shared_views_are_followed():
    views = PrepareBatchViews(View([BatchRandFlip(1.0, 0)], [BatchRandGaussianNoise(1.0)]), View())
    (value,) = terms(make(prepare_batch=views))
    assert value > 0


def test_output_can_be_read_after_it():
    trainer, seen = make(), []
    trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda e: seen.append(e.state.output["image"].numpy()))
    trainer.run()
    assert len(seen) == 1


def test_scaler_of_mixed_precision_changes_no_gradient():
    trainer = make()
    trainer.scaler = SimpleNamespace(get_scale=lambda: 2.0**12)
    assert terms(trainer) == pytest.approx(terms(make()), rel=1e-9)


@pytest.mark.parametrize("scale", [None, 1.0])
def test_what_is_not_finite_is_refused_before_the_step(scale):
    (batch,) = batches()
    batch["image"][0, 0, 0, 0] = float("nan")
    trainer = make(data=[batch])
    trainer.scaler = scale and SimpleNamespace(get_scale=lambda: scale)
    before = trainer.network[0].weight.clone()
    with pytest.raises(ValueError, match=r"'gradient_attention' is nan in iteration 1\. Lower the learning rate"):
        trainer.run()
    assert torch.equal(trainer.network[0].weight, before)


def test_what_cannot_work_is_refused_at_the_start():
    with pytest.raises(ValueError, match=r"DistillationTrainer with a CachedTeacher.*live teacher"):
        make(teacher=CachedTeacher(network(3, 5), [""]))
    with pytest.raises(ValueError, match=r"Set compile=False"):
        GradientAttentionHandler(1.0).attach(SimpleNamespace(teacher=network(3, 5), compile=True))
    student = network(2, 0)
    with pytest.raises(ValueError, match=r"SupervisedTrainer with no teacher"):
        SupervisedTrainer(
            device=CPU,
            max_epochs=1,
            train_data_loader=batches(),
            network=student,
            optimizer=torch.optim.SGD(student.parameters(), 0.1),
            loss_function=task,
            train_handlers=[GradientAttentionHandler(1.0)],
        )


def test_what_cannot_work_is_refused_in_the_first_step():
    aligned = PrepareBatchViews(View([BatchRandFlip(1.0, 0)]), View(), aligned=True)
    with pytest.raises(ValueError, match=r"geometry of its own.*aligned=False"):
        make(prepare_batch=aligned).run()
    with pytest.raises(ValueError, match=r"batch of list, expected a dictionary"):
        make(data=[[torch.rand(1, 1, 4, 4).double(), torch.zeros(1, 1, 4, 4).long()]]).run()
    with pytest.raises(ValueError, match=r"no gradient of the task loss with respect to the image"):
        make(prepare_batch=lambda batch, *_, **__: (batch["image"].detach(), batch["label"])).run()


def test_two_processes_equal_one_on_the_whole_batch(tmp_path):
    multiprocessing.set_forkserver_preload([work.__module__])
    torch.multiprocessing.start_processes(work, (tmp_path,), nprocs=2, start_method="forkserver")
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = two_processes.train(with_handler(two_processes.batches(), lambda m: m))
    plain = two_processes.train(two_processes.make(two_processes.batches(), lambda m: m))
    for state in ("gradients", "final"):
        assert_identical(first[state], second[state])
        torch.testing.assert_close(first[state], alone[state], rtol=1e-4, atol=1e-6)
    weight = "student.0.weight"
    assert not torch.allclose(alone["gradients"][weight], plain["gradients"][weight], rtol=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="MONAI's mixed precision is CUDA's")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_on_the_gpu(dtype):
    def half(**kwargs):
        data = [{k: v.float() if v.is_floating_point() else v for k, v in b.items()} for b in batches(4, side=16)]
        return make(student=network(8, 0).float(), teacher=network(8, 5).float(), data=data, device="cuda", **kwargs)

    assert terms(half(amp=True, amp_kwargs={"dtype": dtype})) == pytest.approx(terms(half()), rel=0.05)
