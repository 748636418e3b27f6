# SPDX-License-Identifier: Apache-2.0
import math
import multiprocessing
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing
import torch.nn.functional as F
from ignite.engine import Events
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.handlers import ResumeHandler, SeedHandler, TrajectoryHandler
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import StudentUNet
from tests.handlers.domain_adaptation import (
    CPU,
    PROCESSES,
    adapted,
    disks,
    network,
    samples,
    source,
    target,
    train,
    trainer,
    work,
)
from tests.helpers import assert_identical


def first_terms(student, data, **arguments):
    """The terms that the handler adds in its first iteration, and the batch's loss, at the initial weights."""
    handler = TrajectoryHandler(student, samples(disks(1, 2, 0.3, data[0]["image"].ndim - 2)[0]), warmup=0, **arguments)
    run, terms = trainer(student, data[:1], [handler], max_epochs=1), {}
    run.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda engine: terms.update(engine.state.output))
    run.run()
    return terms


def by_hand(student, data, paste=True, confidence=0.7, weight=1000.0, mixed_weight=0.1, scale=0.125):
    image, label = data[0]["image"], data[0]["label"]
    onto = disks(1, 2, 0.3, image.ndim - 2)[0].expand_as(image)
    probability = student(onto).softmax(1)
    guess = (probability[:, 1:] > 0.5).float() * (probability.max(1, keepdim=True).values >= confidence)
    mixed = torch.where(label > 0, image, onto) if paste else onto
    mixed_label = torch.where(label > 0, label, guess) if paste else guess
    loss = DiceCELoss(softmax=True, to_onehot_y=True)(student(mixed), mixed_label)
    statistics = []
    for images, labels in ((mixed, mixed_label), (image, label)):
        rows = []
        for x, y in zip(images, labels, strict=True):
            g = torch.autograd.grad(F.cross_entropy(student(x[None]), y[:1].long()), list(student[4].parameters()))
            rows.append(scale * torch.cat([part.flatten() for part in g]).double())
        mean = sum(rows) / len(rows)
        statistics.append((0.05 * mean, 0.05 * sum((g - mean) ** 2 for g in rows) / len(rows)))
    distance = sum(((a - b) ** 2).mean() for a, b in zip(*statistics, strict=True))
    return mixed_weight * loss.item(), weight * distance.item()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    "arguments", [{}, {"paste": False}, {"confidence": 0.0}, {"weight": 7.0, "mixed_weight": 3.0}], ids=str
)
def test_terms_equal_the_published_ones_by_hand(arguments, dims):
    student, data = network(dims=dims), source(dims=dims)
    expected = by_hand(student, data, **arguments)
    terms = first_terms(student, data, head="4", self_weight=0.0, **arguments)
    assert (terms["mixed_images"].item(), terms["trajectory"].item()) == pytest.approx(expected, rel=1e-4)
    own = DiceCELoss(softmax=True, to_onehot_y=True)(terms["pred"], data[0]["label"])
    assert terms["loss"].item() == pytest.approx(own.item() + sum(expected), rel=1e-4)


def test_the_scale_of_the_gradients_is_a_named_argument():
    student, data = network(), source()
    _, expected = by_hand(student, data, scale=1.0)
    terms = first_terms(student, data, head="4", gradient_scale=1.0)
    assert terms["trajectory"].item() == pytest.approx(expected, rel=1e-4)


def test_without_weight_there_is_no_such_term():
    assert "trajectory" not in first_terms(network(), source(), head="4", weight=0.0)


def test_warm_up_epochs_are_those_of_the_source_alone():
    logged = []
    run = trainer(network(), source(), [TrajectoryHandler(network(), target(), "4", warmup=2)])
    run.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: logged.append("trajectory" in engine.state.output))
    run.run()
    assert logged == [False, False, True]


def test_self_stream_strengthens_what_the_past_gradients_share():
    """Compared with the singular vectors of the gradients before the handler changed them."""
    student, before, after = network(), [], []
    handler = TrajectoryHandler(
        student, target(), "4", self_layers=["2"], weight=0.0, self_weight=0.5, warmup=0, most=3
    )
    run = trainer(student, source())
    weight = student[2].weight

    def keep(seen):
        run.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda engine: seen.append(weight.grad.clone()))

    keep(before)
    handler.attach(run)
    keep(after)
    run.run()
    assert len(before) == 6
    basis = torch.zeros(weight.numel(), 0)
    for i, (gradient, strengthened) in enumerate(zip(before, after, strict=True), start=1):
        if i % 3 == 0:
            u, s, _ = torch.linalg.svd(
                torch.stack([g.flatten() for g in before[i - 3 : i]], dim=1), full_matrices=False
            )
            rank = next(r for r in (1, 2, 3) if (s[:r] ** 2).sum() >= 0.98 * (s**2).sum())
            basis = u[:, :rank]
        expected = gradient.flatten() + 0.5 * basis @ (basis.T @ gradient.flatten())
        torch.testing.assert_close(strengthened.flatten(), expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(before[-1], after[-1])
    assert handler.own[0].vectors.shape == (weight.numel(), 3)  # the bias has no self stream


def test_the_target_is_labelled_in_evaluation_mode_and_training_goes_on():
    modes, student = [], network()
    student.register_forward_hook(lambda module, args, output: modes.append((module.training, torch.is_grad_enabled())))
    first_terms(student, source(), head="4")
    assert modes == [(True, True), (False, False), (True, True)]
    assert student.training


def test_target_labels_are_never_looked_at():
    image, label = disks(8, 2, 0.3)
    states = []
    for labels in (label, torch.full_like(label, float("nan"))):
        student = network()
        trainer(student, source(), [SeedHandler(0), TrajectoryHandler(student, samples(image, labels), "4")]).run()
        states.append(student.state_dict())
    assert_identical(*states)


def test_a_distilling_trainer_may_adapt_too():
    student = StudentUNet(2, 1, 2, [2, 4])
    run = DistillationTrainer(
        network=student,
        teacher=network(5),
        pathways=Pathways(logits=Pathway(LogitsKLLoss())),
        optimizer=torch.optim.SGD(student.parameters(), 0.1),
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=CPU,
        max_epochs=2,
        train_data_loader=source(),
        train_handlers=[TrajectoryHandler(student, target(), "head", self_layers=["decoder"])],
    )
    run.add_event_handler(Events.COMPLETED, lambda engine: None)
    run.run()
    logged = run.state.output[0] if isinstance(run.state.output, list) else run.state.output
    assert {"logits", "mixed_images", "trajectory"} <= set(logged)


def test_adapted_it_finds_more_in_the_target_domain():
    """Three trainings: source only, with pseudo-labelled mixed images, and with the comparison of gradients."""
    scores = {
        "source": adapted(0, 0.3),
        "mixed": adapted(0, 0.3, head="4", weight=0.0, self_weight=0.0),
        "trajectory": adapted(0, 0.3, head="4", gradient_scale=0.5),
    }
    assert scores["source"][0] > 0.95
    assert scores["trajectory"][0] > scores["source"][0] - 0.05
    assert scores["mixed"][1] > scores["source"][1] + 0.03
    assert scores["trajectory"][1] > scores["mixed"][1] + 0.03


def resumable(folder, seed=1, settings=None, **arguments):
    student = network(seed)
    optimizer = torch.optim.Adam(student.parameters(), 0.01)
    arguments = {"head": "4", "self_layers": ["2"], "refills": 1, "most": 4, "weight": 1e5, **arguments}
    handler = TrajectoryHandler(student, target(5), **arguments)
    objects = {"network": student, "optimizer": optimizer, "trajectory": handler}
    handlers = [SeedHandler(3), ResumeHandler(folder / "last.pt", objects, settings={"trajectory": handler}), handler]
    return trainer(student, source(16), handlers, max_epochs=4, optimizer=optimizer), objects


def state(objects):
    return {name: obj.state_dict() for name, obj in objects.items()}


@pytest.mark.parametrize("iteration", [5, 9, 14])
def test_broken_off_and_resumed_equals_one_go(iteration, tmp_path):
    (tmp_path / "whole").mkdir()
    whole, expected = resumable(tmp_path / "whole")
    whole.run()
    assert expected["trajectory"].cross.banks[0].ready and expected["trajectory"].own[0].ready
    broken, _ = resumable(tmp_path)
    broken.add_event_handler(Events.ITERATION_COMPLETED(once=iteration), lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.run()
    resumed, objects = resumable(tmp_path, seed=77)
    torch.manual_seed(123)
    resumed.run()
    assert_identical(state(objects), state(expected))


def test_another_setting_is_another_run(tmp_path):
    resumable(tmp_path)[0].run()
    with pytest.raises(ValueError, match=r"a run with another trajectory: .*TrajectoryHandler"):
        resumable(tmp_path, confidence=0.9)[0].run()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.set_forkserver_preload([work.__module__])
    torch.multiprocessing.start_processes(work, (folder,), nprocs=PROCESSES, start_method="forkserver")
    return [torch.load(folder / f"results {rank}.pt", weights_only=True) for rank in range(PROCESSES)]


def test_two_processes_equal_one_on_the_whole_batch(both):
    alone = train(source())
    for part in ("weights", "gradients"):
        assert_identical(both[0][part], both[1][part])
        torch.testing.assert_close(both[0][part], alone[part], rtol=1e-3, atol=1e-5)
    assert_identical(both[0]["state"], both[1]["state"])
    for side in ("student_average", "teacher_average"):
        torch.testing.assert_close(both[0]["state"]["cross"][side], alone["state"]["cross"][side], rtol=1e-3, atol=1e-6)
    half = train(source(part=slice(0, 2)))
    assert not torch.allclose(half["weights"]["2.weight"], alone["weights"]["2.weight"], rtol=1e-2)


def test_processes_draw_their_own_target_images(both):
    assert not torch.equal(both[0]["drawn"], both[1]["drawn"])


@pytest.mark.parametrize("where", ["source", "target"])
def test_what_is_not_finite_stops_the_run_before_a_step(where):
    student, data, images = network(), source(), disks(4, 2)[0]
    (data[0]["image"] if where == "source" else images)[:, 0, 3] = math.nan
    handler = TrajectoryHandler(student, samples(images), "4", warmup=0)
    before = {k: v.clone() for k, v in {**student.state_dict(), **handler.cross.state_dict()}.items()}
    with pytest.raises(ValueError, match=r"is not finite in iteration 1 \(epoch 1\)\. Lower the learning rate"):
        trainer(student, data, [handler]).run()
    assert_identical({**student.state_dict(), **handler.cross.state_dict()}, before)


class Scaled:
    """A trainer in mixed precision, just after its backward pass."""

    def __init__(self, scale):
        self.state = SimpleNamespace(epoch=2, iteration=9)
        self.scaler = SimpleNamespace(is_enabled=lambda: True, get_scale=lambda: scale)


def test_scaled_gradients_are_remembered_unscaled():
    banks = []
    for scale in (1.0, 1024.0):
        student = network()
        handler = TrajectoryHandler(student, target(), "4", self_layers=["2"], most=1)
        gradient = torch.randn(student[2].weight.shape, generator=torch.Generator().manual_seed(0))
        student[2].weight.grad = scale * gradient
        handler._strengthen(Scaled(scale))
        torch.testing.assert_close(student[2].weight.grad, scale * 1.1 * gradient)  # all of it is in its own direction
        banks.append(dict(handler.own.state_dict()))
    torch.testing.assert_close(*banks)


def test_a_step_that_the_scaler_will_leave_out_is_not_remembered():
    student = network()
    handler = TrajectoryHandler(student, target(), "4", self_layers=["2"])
    student[2].weight.grad = torch.full_like(student[2].weight, math.inf)
    handler._strengthen(Scaled(65536.0))
    assert int(handler.own[0].pushed) == 0
    without = SimpleNamespace(state=SimpleNamespace(epoch=2, iteration=9))
    with pytest.raises(ValueError, match="a gradient is not finite in iteration 9"):
        handler._strengthen(without)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="mixed precision is CUDA's")
def test_mixed_precision_trains_on_cuda():
    student = network().cuda()
    run = trainer(student, source(), [TrajectoryHandler(student, target(), "4")], amp=True)
    run.state.device = torch.device("cuda")
    run.run()
    assert all(p.isfinite().all() for p in student.parameters())


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"head": "haed"}, r"No layer 'haed' in StudentUNet\. Closest: 'head'"),
        ({"self_layers": ["decode"]}, r"No layer 'decode' in StudentUNet\. Closest: 'decoder'"),
        ({"head": "encoder.levels.0.act"}, r"has 0 weights"),
        ({"confidence": 70}, r"confidence=70 from 0 to 1"),
        ({"weight": -1.0}, r"'weight': -1\.0.*must be 0 or more"),
        ({"gradient_scale": 0.0}, r"gradient_scale=0\.0 above 0"),
        ({"warmup": -1}, r"warmup=-1 must be 0 or more"),
        ({"momentum": 1.0}, r"momentum=1\.0 must be from 0 to below 1"),
        ({"target": []}, r"The data set of target images is empty"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        TrajectoryHandler(StudentUNet(2, 1, 2, [2, 4]), **{"target": target(), "head": "head", **arguments})


def test_images_of_another_size_are_refused():
    student = network()
    other = samples(disks(2, 2, side=12)[0])
    with pytest.raises(ValueError, match="Bring both data sets to one size"):
        trainer(student, source(), [TrajectoryHandler(student, other, "4", warmup=0)]).run()


def test_accumulated_gradients_are_refused():
    student = network()
    with pytest.raises(ValueError, match=r"Set accumulation_steps=1, or self_weight=0"):
        trainer(student, source(), [TrajectoryHandler(student, target(), "4")], accumulation_steps=2).run()
    trainer(student, source(), [TrajectoryHandler(student, target(), "4", self_weight=0.0)], accumulation_steps=2).run()
