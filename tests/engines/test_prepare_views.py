# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism
from torch import nn

from monai_kd.engines import PrepareBatchViews
from monai_kd.handlers import ResumeHandler, SeedHandler
from monai_kd.transforms import View
from monai_kd.transforms.geometry import warp
from tests.engines.view_fixtures import CPU, SIZES, network, smooth_batch, strong, trainer, weak


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


@pytest.mark.parametrize("aligned", [True, False])
def test_a_prompted_teacher_is_given_the_label_in_its_own_view(aligned):
    batch = smooth_batch()
    teacher = weak() if aligned else View()
    _, label = PrepareBatchViews(strong(), teacher, aligned, prompt=True).set_random_state(seed=0)(batch)
    geometry = batch["teacher_geometry" if aligned else "student_geometry"]
    image, prompt = batch["teacher_image"].split(1, dim=1)
    torch.testing.assert_close(image, warp(batch["image"], geometry))
    assert torch.equal(prompt, warp(batch["label"], geometry, mode="nearest"))
    assert torch.equal(prompt, label) != aligned


def test_a_prompt_needs_a_view_and_a_label():
    with pytest.raises(ValueError, match=r"prompt=True needs the teacher's own view"):
        PrepareBatchViews(View(), prompt=True)
    with pytest.raises(ValueError, match=r"the batch holds no label image"):
        PrepareBatchViews(View(), View(), prompt=True)({"image": torch.rand(2, 1, 8, 8), "label": torch.zeros(2)})


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


def test_a_class_index_is_no_image_and_stays():
    batch = {"image": torch.rand(3, 1, 8, 8), "label": torch.tensor([0, 1, 1])}
    image, label = PrepareBatchViews(strong(2))(batch)
    assert torch.equal(label, batch["label"]) and not torch.equal(image, batch["image"])
