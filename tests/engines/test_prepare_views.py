# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils import set_determinism
from torch import nn

from monai_kd import DistillationTrainer, LogitsBCELoss, LogitsKLLoss, LogitsMSELoss, Pathway, Pathways, loss_terms
from monai_kd.engines import PrepareBatchViews
from monai_kd.handlers import ResumeHandler, SeedHandler
from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandGaussianNoise, BatchRandScaleCrop, View
from monai_kd.transforms.alignment import alignment
from monai_kd.transforms.geometry import inside, warp

CPU = torch.device("cpu")
SIZES = {2: (64, 48), 3: (24, 20, 28)}


def affine(dims=2):
    return BatchRandAffine(1.0, [0.3] * (1 if dims == 2 else 3), [3.0] * dims, [0.1] * dims)


def strong(dims=2, noise=0.5):
    return View([BatchRandScaleCrop(0.8), BatchRandFlip(0.5), affine(dims)], [BatchRandGaussianNoise(noise, std=0.3)])


def weak():
    return View([BatchRandScaleCrop(0.9), BatchRandFlip(0.5, 0)])


def smooth_batch(dims=2, count=4):
    axes = torch.meshgrid(*[torch.linspace(-2, 2, side) for side in SIZES[dims]], indexing="ij")
    image = torch.stack([sum((axis + i).sin() for axis in axes) for i in range(count)])[:, None]
    # Dark towards its border, so that what lies outside, which is padded by zeros, looks no different.
    image = image * torch.stack([torch.cos(axis * torch.pi / 4) for axis in axes]).prod(0)
    return {"image": image, "label": (image > 0.5).float()}


def network(dims=2):
    """Equivariant to translation, rotation and mirroring: every output pixel depends on its own input pixel alone."""
    torch.manual_seed(0)
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    return nn.Sequential(conv(1, 6, 1), nn.Tanh(), conv(6, 2, 1))


def trainer(views, batches, student=None, teacher=None, pathways=None, **kwargs):
    student = student or network()
    arguments = {
        "network": student,
        "teacher": teacher or copy.deepcopy(student),
        "pathways": pathways or Pathways(logits=Pathway(LogitsKLLoss())),
        "optimizer": torch.optim.SGD(student.parameters(), 0.0),
        "loss_function": lambda pred, label: (pred * 0).sum(),
        "device": CPU,
        "max_epochs": 1,
        "train_data_loader": batches,
        "prepare_batch": views,
    }
    return DistillationTrainer(**{**arguments, **kwargs})


@pytest.mark.parametrize("dims", [2, 3])
def test_image_and_label_are_seen_at_one_place(dims):
    batch = smooth_batch(dims)
    views = PrepareBatchViews(strong(dims, noise=0.0)).set_random_state(seed=0)
    image, label = views(batch, CPU)
    theta = batch["student_geometry"]
    assert set(batch) == {"image", "label", "student_geometry"}
    torch.testing.assert_close(image, warp(batch["image"], theta))
    assert torch.equal(label, warp(batch["label"], theta, mode="nearest"))
    assert set(label.unique().tolist()) == {0.0, 1.0}
    assert (label[image > 0.8] == 1).all() and (label[image < 0.2] == 0).all()


def test_a_shared_geometry_gives_the_teacher_the_same_place_with_its_own_gray_values():
    batch = smooth_batch()
    image, _ = PrepareBatchViews(strong(noise=1.0), teacher=View()).set_random_state(seed=0)(batch)
    assert "teacher_geometry" not in batch
    torch.testing.assert_close(batch["teacher_image"], warp(batch["image"], batch["student_geometry"]))
    assert not torch.equal(image, batch["teacher_image"])


def test_an_aligned_teacher_has_its_own_geometry():
    batch = smooth_batch()
    PrepareBatchViews(strong(), weak(), aligned=True).set_random_state(seed=0)(batch)
    torch.testing.assert_close(batch["teacher_image"], warp(batch["image"], batch["teacher_geometry"]))
    assert not torch.equal(batch["student_geometry"], batch["teacher_geometry"])


def test_the_same_seed_gives_the_same_views():
    views = PrepareBatchViews(strong(), weak(), aligned=True)
    batches = [smooth_batch() for _ in range(3)]
    images = [views.set_random_state(seed=seed)(batch)[0] for seed, batch in zip((0, 0, 1), batches, strict=True)]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
    assert torch.equal(batches[0]["teacher_image"], batches[1]["teacher_image"])
    assert not torch.equal(views(smooth_batch())[0], images[2])  # the next batch of the same seed


def test_monais_seed_is_heard():
    seen = []
    for _ in range(2):
        set_determinism(seed=3)
        seen.append(PrepareBatchViews(strong())(smooth_batch())[0])
    set_determinism(None)
    assert torch.equal(*seen)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("teacher_view", [View(), weak()], ids=["plain", "weak"])
@pytest.mark.parametrize("loss", [LogitsKLLoss(), LogitsMSELoss(), nn.L1Loss()])
def test_identical_networks_agree_wherever_both_see(dims, teacher_view, loss):
    """Outputs and hidden layers; and the loss is far from zero where the views are not aligned."""
    losses = {}
    for aligned in (True, False):
        views = PrepareBatchViews(strong(dims, noise=0.0), teacher_view, aligned=True).set_random_state(seed=1)

        def prepare(batch, *args, views=views, aligned=aligned, **kwargs):
            prepared = views(batch, *args, **kwargs)
            if not aligned:
                del batch["teacher_geometry"]
            return prepared

        pathways = Pathways(logits=Pathway(loss), hidden=Pathway(loss, "1"))
        run = trainer(prepare, [smooth_batch(dims)], network(dims), pathways=pathways)
        run.run()
        losses[aligned] = loss_terms(run.state.output)
    for name in ("logits", "hidden"):
        assert losses[True][name] < 0.05 * losses[False][name], name


def test_a_convolutional_network_agrees_within_its_reach_of_the_border():
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 2, 3, padding=1))
    shift = View([BatchRandAffine(1.0, translate_range=[6.0, 6.0])])
    views = PrepareBatchViews(shift, View(), aligned=True).set_random_state(seed=0)
    seen = {}

    class Compare(nn.Module):
        def forward(self, s, t):
            seen.update(difference=(s - t).abs())
            return (s - t).square().mean()

    run = trainer(views, [smooth_batch()], student, pathways=Pathways(hidden=Pathway(Compare(), "2")))
    run.run()
    inner = seen["difference"][..., 3:-3, 3:-3]
    assert inner.max() < 0.05 and inner.mean() < 0.005


def test_no_gradient_comes_from_outside_the_teachers_view():
    gradients = []
    batch = smooth_batch()
    views = PrepareBatchViews(strong(), View([BatchRandScaleCrop(0.5, 0.5)]), aligned=True).set_random_state(seed=0)
    run = trainer(views, [batch], teacher=nn.Conv2d(1, 2, 1), pathways=Pathways(a=Pathway(LogitsBCELoss(softmax=True))))
    run.add_event_handler(
        IterationEvents.LOSS_COMPLETED, lambda engine: engine.state.output["pred"].register_hook(gradients.append)
    )
    run.run()
    outside = ~inside(alignment(batch), SIZES[2]).expand_as(gradients[0])
    assert 0.3 < outside.float().mean() < 0.9
    assert gradients[0][outside].abs().max() < 1e-8 < gradients[0][~outside].abs().max()


def test_any_of_monais_trainers_takes_it():
    seen = []
    student = network()
    run = SupervisedTrainer(
        device=CPU,
        max_epochs=2,
        train_data_loader=[smooth_batch(), {k: MetaTensor(v) for k, v in smooth_batch().items()}],
        network=student,
        optimizer=torch.optim.SGD(student.parameters(), 0.1),
        loss_function=lambda pred, label: (pred - label).square().mean(),
        prepare_batch=PrepareBatchViews(strong()),
        train_handlers=[SeedHandler(0)],
        to_kwargs={"memory_format": torch.channels_last},
    )
    run.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: seen.append(engine.state.output[0]["image"]))
    run.run()
    assert len(seen) == 4 and not any(torch.equal(seen[0], other) for other in seen[1:])


def test_unlabelled_images_are_augmented_too():
    image, label = PrepareBatchViews(strong())({"image": smooth_batch()["image"]})
    assert label is None and image.shape == (4, 1, *SIZES[2])


def test_a_resumed_run_sees_the_views_of_the_whole_one(tmp_path):
    def kill(engine):
        raise KeyboardInterrupt

    def run(folder, stop=None):
        student, seen = network(), []
        views = PrepareBatchViews(strong(), weak(), aligned=True)
        optimizer = torch.optim.SGD(student.parameters(), 0.1)
        handlers = [SeedHandler(5), ResumeHandler(folder / "last.pt", {"network": student, "optimizer": optimizer})]
        engine = trainer(
            views,
            [smooth_batch() for _ in range(2)],
            student,
            nn.Conv2d(1, 2, 1, bias=False),
            optimizer=optimizer,
            max_epochs=3,
            train_handlers=handlers,
            decollate=False,
        )
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: seen.append(e.state.output["image"].clone()))
        if stop:
            engine.add_event_handler(Events.EPOCH_STARTED(once=stop), kill)
        engine.run()
        return student.state_dict(), seen

    whole, images = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stop=2)
    resumed, rest = run(tmp_path / "parts")
    assert (len(images), len(rest)) == (6, 4)
    assert all(torch.equal(a, b) for a, b in zip(images[-len(rest) :], rest, strict=True))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_views_that_contradict_are_refused():
    with pytest.raises(ValueError, match="Set aligned=True"):
        PrepareBatchViews(strong(), weak())
    with pytest.raises(ValueError, match="aligned=True needs the teacher's own view"):
        PrepareBatchViews(strong(), aligned=True)
    with pytest.raises(ValueError, match="got a list, expected a dictionary"):
        PrepareBatchViews(strong())([torch.rand(2, 1, 8, 8)] * 2)


def test_its_text_tells_its_settings():
    assert repr(PrepareBatchViews(strong())) == repr(PrepareBatchViews(strong()))
    assert "std=0.3" in repr(PrepareBatchViews(strong()))
    assert repr(PrepareBatchViews(strong())) != repr(PrepareBatchViews(weak()))
