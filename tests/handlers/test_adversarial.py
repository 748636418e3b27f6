# SPDX-License-Identifier: Apache-2.0
import contextlib
import copy
import multiprocessing
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.inferers import SlidingWindowInferer
from scipy.stats import wasserstein_distance
from torch import nn

from monai_kd import CachedTeacher, DistillationTrainer, Pathway, Pathways, loss_terms
from monai_kd.engines import PrepareBatchViews
from monai_kd.handlers import AdversarialLogitsHandler, HolisticHandler, ResumeHandler, SeedHandler
from monai_kd.handlers.methods.predictions import Predictions
from monai_kd.networks import LogitsDiscriminator, SelfAttentionDiscriminator
from monai_kd.transforms import BatchRandAffine, View
from tests.handlers.adversarial_trainings import (
    CPU,
    DISTRIBUTED,
    METHODS,
    PROCESSES,
    batches,
    by_hand,
    discriminator,
    gradients_and_weights,
    make,
    network,
    weights,
    work,
)
from tests.helpers import assert_identical


def seeded(trainer):
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: torch.manual_seed(11))
    return trainer


@pytest.mark.parametrize("method", [method for method in METHODS if method != "holistic, no penalty"])
def test_both_sides_train_as_the_method_written_by_hand(method):
    trainer = seeded(make(method))
    before = weights(trainer)
    trainer.run()
    after = weights(trainer)
    assert all(not torch.equal(before[k], after[k]) for k in after if k.endswith((".0.weight", "original")))
    torch.testing.assert_close(after, by_hand(method), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["logits", "holistic"])
def test_accumulated_steps_train_both_sides_as_by_hand(method):
    trainer = seeded(make(method, accumulation_steps=2))  # of three batches: the last step has one
    trainer.run()
    torch.testing.assert_close(weights(trainer), by_hand(method, accumulate=2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["logits", "holistic"])
def test_no_gradient_crosses_between_the_sides(method):
    trainer, seen = make(method, data=batches(count=1)), {}

    @trainer.on(IterationEvents.LOSS_COMPLETED)
    def after_the_students_term(engine):
        output = engine.state.output
        gradients = torch.autograd.grad(output["loss"], list(engine.network.parameters()), retain_graph=True)
        seen["student"] = [g.clone() for g in gradients]
        critics = list(engine.adversary.discriminator.parameters())
        assert all(parameter.requires_grad for parameter in critics)
        crossed = torch.autograd.grad(output["loss"], critics, retain_graph=True, allow_unused=True)
        assert all(gradient is None for gradient in crossed)

    trainer.run()
    for parameter, expected in zip(trainer.network.parameters(), seen["student"], strict=True):
        torch.testing.assert_close(parameter.grad, expected)  # the discriminator's step added nothing
    assert all(p.grad is not None for p in trainer.adversary.discriminator.parameters())
    assert all(p.grad is None for p in trainer.teacher.network.parameters())


def test_a_part_that_the_user_froze_stays_frozen():
    critic = discriminator("holistic")
    critic.norm.requires_grad_(False)
    adversary = HolisticHandler(critic, torch.optim.Adam([p for p in critic.parameters() if p.requires_grad]))
    trainer = make(train_handlers=[adversary])
    trainer.run()
    assert not critic.norm.weight.requires_grad and torch.equal(critic.norm.weight, torch.ones(2))


@pytest.mark.parametrize(("method", "name"), [("logits", "adversarial"), ("holistic", "holistic")])
def test_both_sides_are_logged_and_one_is_in_the_loss(method, name):
    trainer = make(method)
    trainer.run()
    terms = loss_terms(trainer.state.output)
    assert set(terms) == {"loss", "supervised_loss", "logits", name, f"{name}_discriminator"}
    assert terms["loss"] == pytest.approx(terms["supervised_loss"] + terms["logits"] + terms[name], rel=1e-5)


def test_published_weights_are_the_defaults():
    critic = discriminator("holistic")
    adversary = HolisticHandler(critic, torch.optim.Adam(critic.parameters()))
    assert (adversary.weight, adversary.penalty, adversary.hinge) == (0.1, 10.0, False)
    assert "weight=0.1, name='holistic'" in repr(adversary) and "SelfAttentionDiscriminator" in repr(adversary)


def shown_to(method, trainer):
    """What the discriminator saw in each call: (logits, image)."""
    calls = []
    trainer.adversary.discriminator.register_forward_hook(
        lambda module, args, kwargs, output: calls.append((*args, *kwargs.values())), with_kwargs=True
    )
    trainer.run()
    return calls


def test_where_views_differ_the_teachers_prediction_is_on_the_students_grid():
    # Teacher and student are one network that looks at each pixel alone, so on one grid they agree.
    torch.manual_seed(0)
    pixelwise = nn.Conv2d(1, 2, 1)
    views = PrepareBatchViews(
        student=View([BatchRandAffine(1.0, translate_range=4.0)], padding_mode="border"), teacher=View(), aligned=True
    )
    views.set_random_state(seed=1)
    data = [{"image": torch.nn.functional.interpolate(torch.rand(2, 1, 4, 4), 16, mode="bilinear")}]
    data[0]["label"] = (data[0]["image"] > 0.5).float()
    arguments = {"network": copy.deepcopy(pixelwise), "teacher": pixelwise, "prepare_batch": views, "data": data}
    student = arguments["network"]
    trainer = make("logits", optimizer=torch.optim.SGD(student.parameters(), 0.1), **arguments)
    (student_logits, _), (teacher_logits, image), _ = shown_to("logits", trainer)
    torch.testing.assert_close(teacher_logits, student_logits.detach(), atol=1e-4, rtol=1e-4)
    blank = (teacher_logits == 0).all(dim=1)
    assert 0.05 < blank.float().mean() < 0.95
    assert not torch.equal(image, data[0]["image"])  # the discriminator sees the student's view


def test_cached_teacher_plays_as_the_live_one():
    live = make("holistic", max_epochs=2)
    cached = make("holistic", max_epochs=2, teacher=CachedTeacher(network(6, seed=5), layers=[""]))
    for trainer in (live, cached):
        trainer.run()
    torch.testing.assert_close(weights(cached), weights(live), rtol=1e-4, atol=1e-6)


def test_windows_of_an_inferer_are_shown_as_one_image():
    data = [{k: nn.functional.interpolate(v, 16) for k, v in batch.items()} for batch in batches()]
    whole = make("holistic", data)
    windows = make("holistic", data, inferer=SlidingWindowInferer(roi_size=16, sw_batch_size=1))
    for trainer in (whole, windows):
        trainer.run()
    torch.testing.assert_close(weights(windows), weights(whole), rtol=1e-4, atol=1e-6)
    halves = make("holistic", data, inferer=SlidingWindowInferer(roi_size=8, sw_batch_size=2))
    assert {tuple(logits.shape) for logits, _ in shown_to("holistic", halves)} == {(4, 2, 16, 16)}


def test_samples_without_a_label_are_told_apart_but_not_classified():
    data = batches(0)
    for batch in data:
        batch["has_label"] = torch.tensor([1, 0, 0, 1])
    other = copy.deepcopy(data)
    for batch in other:
        batch["label"][1:3] = 77  # what stands there is not read
    trained = [make("logits of samples", batch) for batch in (data, other)]
    for trainer in trained:
        trainer.run()
    assert_identical(*(weights(trainer) for trainer in trained))
    trainer = make("logits of samples", batches(0))
    trainer.run()
    assert not torch.equal(
        weights(trainer)["critic.layers.output.weight"], weights(trained[0])["critic.layers.output.weight"]
    )


# Resume


@pytest.mark.parametrize("method", ["logits", "holistic"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_broken_off_and_resumed_equals_one_go(method, place, tmp_path):
    def build(folder, seed=0):
        def handlers(objects):
            return [ResumeHandler(tmp_path / folder, objects)] if place == "behind" else []

        trainer = make(method, max_epochs=3, seed=seed, handlers=handlers)
        if place == "before":
            objects = {"network": trainer.network, "optimizer": trainer.optimizer, "adversary": trainer.adversary}
            ResumeHandler(tmp_path / folder, objects).attach(trainer)
        return trainer

    whole, broken, resumed = build("whole.pt"), build("parts.pt"), build("parts.pt", seed=77)
    whole.run()
    broken.add_event_handler(Events.ITERATION_COMPLETED(once=5), lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.run()
    torch.manual_seed(123)
    resumed.run()
    assert resumed.state.iteration == 9
    assert_identical(weights(resumed), weights(whole))
    assert_identical(resumed.adversary.state_dict(), whole.adversary.state_dict())


def test_state_of_another_discriminator_is_refused(tmp_path):
    def handlers(objects):
        return [ResumeHandler(tmp_path / "last.pt", objects)]

    make("holistic", max_epochs=2, handlers=handlers).run()
    with pytest.raises(ValueError, match=r"last\.pt' does not fit 'adversary' of this run: .*Missing key"):
        make("logits", max_epochs=2, handlers=handlers).run()


def test_the_scalers_state_survives():
    first, second = (make("holistic").adversary for _ in range(2))
    for adversary, scale in ((first, 1024.0), (second, 2.0)):
        adversary.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        adversary.scaler.scale(torch.zeros(()))
    second.load_state_dict(first.state_dict())
    assert second.scaler.get_scale() == 1024
    third = make("holistic").adversary  # without mixed precision there is none to restore
    third.load_state_dict(first.state_dict())
    first.load_state_dict(third.state_dict())
    assert not third.scaler.is_enabled() and first.scaler.get_scale() == 1024


# Two processes


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.set_forkserver_preload([work.__module__])
    torch.multiprocessing.start_processes(work, (folder,), nprocs=PROCESSES, start_method="forkserver")
    results = [torch.load(folder / f"results {rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return SimpleNamespace(results=results)


@pytest.mark.parametrize("method", DISTRIBUTED)
def test_both_processes_hold_the_same(both, method):
    first, second = (result[method] for result in both.results)
    assert_identical(first, second)


@pytest.mark.parametrize("method", [method for method in DISTRIBUTED if method != "holistic"])
def test_two_processes_equal_one_on_the_whole_batch(both, method):
    alone = gradients_and_weights(make(method))
    for state, values in alone.items():
        torch.testing.assert_close(both.results[0][method][state], values, rtol=1e-4, atol=1e-6)


def test_with_the_penalty_the_students_first_gradient_still_equals(both):
    alone = gradients_and_weights(make("holistic"))["gradients"]
    student = {k: v for k, v in alone.items() if k.startswith("student")}
    torch.testing.assert_close({k: both.results[0]["holistic"]["gradients"][k] for k in student}, student)


def test_resumed_processes_equal_one_go(both):
    for result in both.results:
        assert_identical(result["resumed"], result["whole"])


def test_a_discriminator_that_each_process_would_train_alone_is_refused(both):
    for result in both.results:
        assert result["refusal"].endswith("monai_kd.engines.distribute(discriminator, device).")


def test_a_loss_that_is_not_finite_in_one_process_ends_both(both):
    first, second = (result["broken images"] for result in both.results)
    assert "The loss of another process is not finite in iteration 1" in first
    assert "The loss is not finite in iteration 1" in second
    assert "supervised_loss is nan" in second


def test_what_diverges_in_one_process_ends_both(both):
    for result in both.results:
        assert "The adversarial training of HolisticHandler diverged in iteration 1" in result["divergence"]


# What a user can get wrong


@pytest.mark.parametrize("method", ["logits", "holistic, hinge"])
@pytest.mark.parametrize(
    ("weight", "value", "message"),
    [
        (0, float("nan"), r"not finite in iteration 1 \(epoch 1\): \w+ is nan\."),
        (0, float("inf"), r"not finite in iteration 1 \(epoch 1\): \w+ is (nan|-?inf)\."),
        (-1, 1e9, r"diverged in iteration 1 \(epoch 1\).*learning rate \(now 0\.01\)"),
    ],
    ids=["nan", "inf", "explode"],
)
def test_a_training_that_diverges_ends_before_anything_is_stepped(method, weight, value, message):
    trainer = make(method)
    with torch.no_grad():
        list(trainer.adversary.discriminator.parameters())[weight].fill_(value)
    before = weights(trainer)
    with pytest.raises(ValueError, match=message) as error:
        trainer.run()
    assert "\n" not in str(error.value)
    for name, value in weights(trainer).items():
        if not name.endswith(("_u", "_v")):  # estimates, not trained
            torch.testing.assert_close(value, before[name], equal_nan=True, rtol=0, atol=0)


def test_the_limit_is_the_users():
    with pytest.raises(ValueError, match=r"limit 0\.001"):
        make("holistic", limit=1e-3).run()


def test_overflow_under_a_large_factor_is_left_to_the_scaler():
    trainer = make("logits", data=batches(count=2))
    for parameter in trainer.adversary.discriminator.parameters():
        parameter.register_hook(lambda gradient: gradient.half().float())
    trainer.adversary.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100)
    trainer.adversary._autocast = lambda engine: contextlib.nullcontext()  # that is CUDA's alone
    before = weights(trainer)
    trainer.run()
    assert trainer.adversary.scaler.get_scale() == 2.0**98
    unchanged = {name: value for name, value in weights(trainer).items() if name.startswith("critic")}
    assert_identical(unchanged, {name: before[name] for name in unchanged})


def test_teachers_prediction_must_be_known():
    pathways = Pathways(hint=Pathway(nn.MSELoss(), "1", student_adapter=nn.Conv2d(4, 6, 1)))
    student = network(4)
    optimizer = torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1)
    trainer = make("holistic", network=student, pathways=pathways, optimizer=optimizer)
    with pytest.raises(ValueError, match=r"HolisticHandler needs the teacher's prediction.*Add a pathway"):
        trainer.run()


def test_a_trainer_without_teacher_is_refused():
    critic, student = discriminator("holistic"), network(4)
    trainer = SupervisedTrainer(
        device=CPU,
        max_epochs=1,
        train_data_loader=batches(),
        network=student,
        optimizer=torch.optim.SGD(student.parameters(), 0.1),
        loss_function=lambda prediction, label: prediction.mean(),
        train_handlers=[HolisticHandler(critic, torch.optim.Adam(critic.parameters()))],
    )
    with pytest.raises(ValueError, match="give the handler to a DistillationTrainer"):
        trainer.run()


def test_optimizers_must_keep_to_their_side():
    critic, student = discriminator("logits"), network(4)
    with pytest.raises(ValueError, match=r"holds other parameters than the discriminator's.*discriminator\.parameters"):
        AdversarialLogitsHandler(critic, torch.optim.Adam(student.parameters()))
    with pytest.raises(ValueError, match="holds other parameters"):
        AdversarialLogitsHandler(critic, torch.optim.Adam(list(critic.parameters())[1:]))
    handler = AdversarialLogitsHandler(critic, torch.optim.Adam(critic.parameters()))
    everything = torch.optim.SGD([*student.parameters(), *critic.parameters()], 0.1)
    with pytest.raises(ValueError, match="trainer's optimizer holds the discriminator of AdversarialLogitsHandler"):
        make("logits", network=student, optimizer=everything, train_handlers=[handler])


# Toy problems: the student's distribution approaches the teacher's by adversarial training alone


def distance(student, teacher):
    """Wasserstein distance between the logits' distributions, averaged over channels."""
    pairs = zip(student.movedim(1, 0).flatten(1), teacher.movedim(1, 0).flatten(1), strict=True)
    return sum(wasserstein_distance(s.tolist(), t.tolist()) for s, t in pairs) / student.shape[1]


def play(student, teacher, adversary, data):
    def logits():
        with torch.no_grad():
            images = torch.cat([batch["image"] for batch in data])
            return student(images), teacher(images)

    before = distance(*logits())
    DistillationTrainer(
        network=student,
        teacher=teacher,
        pathways=Pathways(none=Pathway(nn.MSELoss(), weight=0.0)),
        optimizer=torch.optim.Adam(student.parameters(), 0.025, betas=(0.0, 0.9)),
        loss_function=lambda prediction, label: prediction.sum(),
        supervised_weight=0.0,
        device=CPU,
        max_epochs=1,
        train_data_loader=data,
        train_handlers=[SeedHandler(0), adversary],
    ).run()
    return before, distance(*logits())


def test_logits_of_samples_approach_the_teachers_distribution():
    torch.manual_seed(0)
    student, teacher = nn.Linear(2, 2), nn.Linear(2, 2)
    with torch.no_grad():
        teacher.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.5]]))
        teacher.bias.copy_(torch.tensor([2.0, -1.0]))
    data = [{"image": torch.randn(64, 2), "label": torch.zeros(64)} for _ in range(150)]
    critic = LogitsDiscriminator(in_channels=2, num_classes=2, channels=[32, 32])
    optimizer = torch.optim.Adam(critic.parameters(), 0.01, betas=(0.0, 0.9))
    before, after = play(student, teacher, AdversarialLogitsHandler(critic, optimizer, class_weight=0.0), data)
    assert after < 0.25 * before


@pytest.mark.parametrize("hinge", [False, True], ids=["Wasserstein", "hinge"])
def test_maps_of_logits_approach_the_teachers_distribution(hinge):
    torch.manual_seed(0)
    student, teacher = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        teacher.weight.copy_(torch.tensor([2.0, -1.0]).reshape(2, 1, 1, 1))
        teacher.bias.copy_(torch.tensor([1.0, -1.0]))
        student.weight.copy_(torch.tensor([-0.5, 0.5]).reshape(2, 1, 1, 1))
    data = [{"image": torch.rand(16, 1, 8, 8), "label": torch.zeros(16, 1, 8, 8)} for _ in range(90)]
    critic = SelfAttentionDiscriminator(2, in_channels=2, channels=(8, 16), norm=None)
    optimizer = torch.optim.Adam(critic.parameters(), 0.01, betas=(0.0, 0.9))
    before, after = play(student, teacher, HolisticHandler(critic, optimizer, weight=1.0, hinge=hinge), data)
    assert after < 0.4 * before


@pytest.mark.parametrize("method", ["logits", "logits of samples", "holistic", "holistic, hinge", "holistic, 3D"])
def test_objectives_under_autocast_are_nearly_those_in_full_precision(method):
    trainer = make(method)
    adversary, critic = trainer.adversary, trainer.adversary.discriminator.eval()
    batch = batches(METHODS[method]["spatial_dims"])[0]
    student, teacher = (module(batch["image"]).detach() for module in (trainer.network, trainer.teacher.network))
    values = []
    for dtype in (torch.float32, torch.bfloat16):
        shown = Predictions(student.to(dtype).requires_grad_(), teacher.to(dtype), batch["image"], batch["label"])
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            values.append(
                [side(critic, shown) for side in (adversary.student_objective, adversary.discriminator_objective)]
            )
        assert all(value.dtype == torch.float32 for value in values[-1])
        assert torch.autograd.grad(values[-1][0], shown.student)[0].isfinite().all()
        torch.autograd.backward(values[-1][1])
    torch.testing.assert_close(values[1], values[0], rtol=0.05, atol=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="MONAI's amp needs a CUDA device")
@pytest.mark.parametrize("method", ["logits", "logits of samples", "holistic", "holistic, hinge", "holistic, 3D"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_on_the_gpu(method, dtype):
    arguments = {"device": torch.device("cuda"), "max_epochs": 4}
    plain, mixed = make(method, **arguments), make(method, amp=True, amp_kwargs={"dtype": dtype}, **arguments)
    for trainer in (plain, mixed):
        trainer.run()
    assert mixed.adversary.scaler.is_enabled() and mixed.adversary.state_dict()["scaler"]
    expected = weights(plain)
    for name, value in weights(mixed).items():
        if name.startswith("student"):
            torch.testing.assert_close(value, expected[name], rtol=0.1, atol=0.05)
