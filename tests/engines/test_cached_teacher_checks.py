# SPDX-License-Identifier: Apache-2.0
"""A trainer with a cached teacher trains as with a live one, or says why it cannot."""

import copy

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import nn

from monai_kd import CachedTeacher, DistillationTrainer, Pathway, Pathways, loss_terms
from monai_kd.engines import PrepareBatchViews
from monai_kd.handlers import ResumeHandler, SeedHandler
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import FeatureRegressor
from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandGaussianNoise, View

ENCODER = "model.1.submodule"
STRONG = View(
    [BatchRandFlip(0.5), BatchRandAffine(1.0, rotate_range=0.3, translate_range=[2.0, 2.0], scale_range=[0.2, 0.2])],
    [BatchRandGaussianNoise(0.5)],
)


def unet(width, seed=0):
    torch.manual_seed(seed)
    return UNet(2, 1, 2, channels=(width, 2 * width), strides=(2,), num_res_units=1)


def samples(count=6, side=16):
    generator = torch.Generator().manual_seed(7)
    images = torch.rand(count, 1, side, side, generator=generator)
    return [{"image": image, "label": (image > 0.5).float()} for image in images]


def make(teacher, views, pathways=None, data=None, transform=None, student=None, handlers=lambda objects: (), **kwargs):
    student = student or unet(4)
    pathways = pathways or Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5))
    optimizer = torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1)
    if isinstance(views, PrepareBatchViews):
        views.set_random_state(0)
    return DistillationTrainer(
        network=student,
        teacher=teacher,
        pathways=pathways,
        optimizer=optimizer,
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=DataLoader(Dataset(data or samples(), transform), batch_size=2),
        train_handlers=handlers({"network": student, "optimizer": optimizer, "pathways": pathways}),
        **({} if views is None else {"prepare_batch": views}),
        **kwargs,
    )


def aligned(student=STRONG, teacher=None):
    return PrepareBatchViews(student=student, teacher=teacher or View(), aligned=True)


def hidden():
    torch.manual_seed(1)
    return Pathways(
        logits=Pathway(LogitsKLLoss(), weight=0.5),
        hidden=Pathway(nn.MSELoss(), ENCODER, student_adapter=FeatureRegressor(2, 8, 16), weight=0.1),
    )


def cached(layers=("",), **kwargs):
    return CachedTeacher(unet(8, seed=5), layers, **kwargs)


def weights(trainer):
    trainer.run()
    return [*trainer.network.state_dict().values(), *trainer.pathways.state_dict().values()]


@pytest.mark.parametrize("student", [STRONG, View([BatchRandFlip(0.5, 0)]), View()], ids=["strong", "flips", "none"])
def test_trains_as_with_the_live_teacher(student):
    expected = weights(make(unet(8, seed=5), aligned(student), hidden()))
    teacher = cached(("", ENCODER))
    found = weights(make(teacher, aligned(student), hidden()))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    assert len(teacher) == 6


def test_runs_the_teacher_once_for_each_image():
    teacher, seen = cached(), []
    teacher.network.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    make(teacher, aligned()).run()
    assert seen == [1] * 6


def test_a_student_equal_to_its_teacher_has_nothing_to_learn_in_a_mirrored_view():
    # Mirrored pixels fall on pixels: what remains is the network's own answer to the mirrored image.
    torch.manual_seed(3)
    teacher = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    views = aligned(View([BatchRandFlip(0.5, 0), BatchRandFlip(0.5, 1)]))
    terms = []
    trainer = make(CachedTeacher(copy.deepcopy(teacher), [""]), views, student=teacher, supervised_weight=0.0)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: terms.append(loss_terms(e.state.output)["logits"]))
    trainer.run()
    assert max(abs(term) for term in terms) < 1e-6


def test_without_any_augmentation_no_views_are_needed():
    expected = weights(make(unet(8, seed=5), None))
    torch.testing.assert_close(weights(make(cached(), None)), expected, atol=1e-6, rtol=1e-4)


def test_resumed_run_is_bitwise_the_whole_one(tmp_path):
    def train(name, fail=False):
        def handlers(objects):
            return [SeedHandler(0), ResumeHandler(tmp_path / f"{name}.pt", objects)]

        trainer = make(cached(("", ENCODER)), aligned(), hidden(), handlers=handlers)
        if fail:
            trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), lambda engine: 1 / 0)
        return weights(trainer)

    whole = train("whole")
    with pytest.raises(ZeroDivisionError):
        train("parts", fail=True)
    assert all(torch.equal(a, b) for a, b in zip(train("parts"), whole, strict=True))


def test_layers_that_the_pathways_lack_are_refused():
    with pytest.raises(ValueError, match=r"layers \['model\.1\.submodule'\], but the CachedTeacher gives \[''\]"):
        make(cached(), aligned(), hidden())


def test_a_teacher_that_shares_weights_with_the_student_is_refused():
    student = unet(4)
    with pytest.raises(ValueError, match="shares"):
        make(CachedTeacher(student, [""]), aligned(), student=student)


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        (PrepareBatchViews(student=STRONG), "shares the student's random view"),
        (PrepareBatchViews(student=STRONG, teacher=View()), "shares the student's random view"),
        (aligned(teacher=View([BatchRandFlip(1.0)])), "random geometry of its own"),
    ],
    ids=["no view of its own", "the same geometry", "its own geometry"],
)
def test_a_random_view_is_refused_before_any_step(views, reason):
    student = unet(4)
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(ValueError, match=rf"{reason}.*teacher=View\(\), aligned=True"):
        make(cached(), views, student=student).run()
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_an_image_of_its_own_without_geometry_is_refused():
    data = [{**sample, "teacher_image": sample["image"]} for sample in samples()]
    with pytest.raises(ValueError, match=r"the batch has no 'student_geometry'.*elastic"):
        make(cached(), None, data=data).run()


@pytest.mark.parametrize("where", ["data set", "teacher's view"])
def test_random_gray_values_are_refused_once_there_are_more_images_than_the_data_set_holds(where):
    def disturb(sample):
        return {**sample, "image": sample["image"] + torch.rand(())}

    in_set = where == "data set"
    views = aligned() if in_set else aligned(teacher=View(intensity=[BatchRandGaussianNoise(1.0)]))
    with pytest.raises(ValueError, match=r"seen 8 different images, but the data set holds 6: .* at random"):
        make(cached(), views, transform=disturb if in_set else None).run()
