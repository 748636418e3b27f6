# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from monai_kd import Pathway, Pathways
from monai_kd.losses import LogitsKLLoss
from monai_kd.losses.parts.precision import full_precision
from monai_kd.networks import ChannelAdapter, FeatureRegressor


def features(**shapes):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def test_weight_and_names():
    student, teacher = {"": torch.zeros(1, 2, 4, 4)}, {"": torch.ones(1, 2, 4, 4)}
    pathways = Pathways(a=Pathway(nn.MSELoss(), weight=0.5), b=Pathway(nn.L1Loss(), weight=3.0))
    assert {k: v.item() for k, v in pathways(student, teacher, {}).items()} == {"a": 0.5, "b": 3.0}


def test_layers_are_zipped_and_averaged():
    student, teacher = features(a=(1, 2, 4, 4), b=(1, 3, 2, 2)), features(c=(1, 2, 4, 4), d=(1, 3, 2, 2))
    value = Pathway(nn.L1Loss(), ["a", "b"], ["c", "d"])(student, teacher, {})
    expected = ((student["a"] - teacher["c"]).abs().mean() + (student["b"] - teacher["d"]).abs().mean()) / 2
    torch.testing.assert_close(value, expected)


class _Joint(nn.Module):
    """Compares the product of two layers' means, which needs both layers at once."""

    joint = True
    uses = ("scale",)

    @full_precision
    def forward(self, student, teacher, scale):
        return scale * (student[0].mean() * student[1].mean() - teacher[0].mean() * teacher[1].mean()).abs()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_joint_loss_sees_all_layers_at_once(dtype):
    student, teacher = features(a=(1, 2, 4, 4), b=(1, 3, 2, 2)), features(c=(1, 2, 4, 4), d=(1, 3, 2, 2))
    teacher = {name: 300 * feature.to(dtype) for name, feature in teacher.items()}
    value = Pathway(_Joint(), ["a", "b"], ["c", "d"], weight=2.0)(student, teacher, {"scale": torch.tensor(3.0)})
    means = [f.float().mean() for f in (*student.values(), *teacher.values())]
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, 6 * (means[0] * means[1] - means[2] * means[3]).abs())


def test_teacher_layer_defaults_to_the_students():
    pathways = Pathways(x=Pathway(nn.L1Loss(), "encoder"), y=Pathway(nn.L1Loss(), ["", "encoder"], ["", "down"]))
    assert pathways.student_layers == ("encoder", "")
    assert pathways.teacher_layers == ("encoder", "", "down")


def test_adapter_is_applied_and_its_weights_belong_to_the_pathways():
    adapter = nn.Conv2d(2, 5, 1)
    pathways = Pathways(hint=Pathway(nn.MSELoss(), "a", student_adapter=adapter))
    student, teacher = features(a=(1, 2, 4, 4)), features(a=(1, 5, 4, 4))
    expected = nn.functional.mse_loss(adapter(student["a"]), teacher["a"])
    torch.testing.assert_close(pathways(student, teacher, {})["hint"], expected)
    assert {id(p) for p in pathways.parameters()} == {id(p) for p in adapter.parameters()}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_adapter_that_resizes_meets_the_teacher_at_its_size(spatial_dims):
    regressor = FeatureRegressor(spatial_dims, 2, 5)
    student = {"a": torch.rand(1, 2, *[8] * spatial_dims)}
    teacher = {"a": torch.rand(1, 5, *[7, 3, 4][:spatial_dims])}
    value = Pathway(nn.MSELoss(), "a", student_adapter=regressor)(student, teacher, {})
    expected = nn.functional.mse_loss(regressor(student["a"], size=[7, 3, 4][:spatial_dims]), teacher["a"])
    torch.testing.assert_close(value, expected)


def test_loss_receives_what_it_uses():
    class Masked(nn.Module):
        uses = ("label",)

        def forward(self, student, teacher, label):
            return ((student - teacher).abs() * label).sum() / label.sum()

    student, teacher = features(a=(2, 1, 4, 4)), features(a=(2, 1, 4, 4))
    label = torch.zeros(2, 1, 4, 4)
    label[:, :, 0, 0] = 1
    value = Pathway(Masked(), "a")(student, teacher, {"label": label})
    torch.testing.assert_close(value, (student["a"] - teacher["a"])[:, :, 0, 0].abs().mean())
    with pytest.raises(ValueError, match=r"Masked uses \['label'\], but the batch holds \['image'\]"):
        Pathway(Masked(), "a")(student, teacher, {"image": label})


def test_stock_losses_see_single_precision_under_autocast():
    student, teacher = {"": torch.full((1, 1, 2, 2), 300.0).half()}, {"": torch.zeros(1, 1, 2, 2).half()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Pathway(nn.MSELoss())(student, teacher, {}).item() == 90000.0


@pytest.mark.parametrize(
    ("layer", "student", "teacher", "remedy"),
    [
        ("hint", (2, 16, 8, 8), (2, 64, 8, 8), r"ChannelAdapter\(spatial_dims=2, in_channels=16, out_channels=64\)"),
        ("hint", (2, 4, 8, 8, 8), (2, 6, 8, 8, 8), r"spatial_dims=3, in_channels=4, out_channels=6"),
        (
            "hint",
            (2, 16, 8, 8),
            (2, 16, 4, 4),
            r"Pair layers of one resolution.*FeatureRegressor\(spatial_dims=2, in_ch",
        ),
        ("", (2, 2, 8, 8), (2, 2, 4, 4), "Pair layers of one resolution"),
        ("", (2, 1, 8, 8), (2, 2, 8, 8), "same out_channels"),
    ],
)
def test_features_that_do_not_match_are_refused_with_the_remedy(layer, student, teacher, remedy):
    pathways = Pathways(route=Pathway(nn.MSELoss(), layer))
    with pytest.raises(ValueError, match=rf"'route': student feature is .* but teacher feature is .*{remedy}"):
        pathways(features(**{layer: student}), features(**{layer: teacher}), {})


def test_two_classes_expected_and_a_one_channel_head():
    pathways = Pathways(logits=Pathway(LogitsKLLoss()))
    one = {"": torch.zeros(2, 1, 4, 4)}
    with pytest.raises(ValueError, match=r"'logits': .*one channel.*sigmoid=True"):
        pathways(one, one, {})


@pytest.mark.parametrize("adapter", [ChannelAdapter(3, 4, 8), ChannelAdapter(2, 6, 8)])
def test_an_adapter_for_other_features_is_named_with_its_pathway(adapter):
    pathways = Pathways(hint=Pathway(nn.MSELoss(), "a", student_adapter=adapter))
    remedy = "Make it for 3 spatial dimensions and 6 input channels"
    with pytest.raises(ValueError, match=rf"'hint': the adapter ChannelAdapter .*\(2, 6, 4, 4, 4\): .*{remedy}"):
        pathways(features(a=(2, 6, 4, 4, 4)), features(a=(2, 8, 4, 4, 4)), {})


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="got the class LogitsKLLoss"):
        Pathway(LogitsKLLoss)
    with pytest.raises(ValueError, match="loss must be a loss function, got 'encoder'"):
        Pathway("encoder", nn.MSELoss())
    for weight in (-0.5, float("nan"), torch.tensor(-0.5)):
        with pytest.raises(ValueError, match=r"^weight must be a number from 0, got .*Set it to 0 to leave"):
            Pathway(nn.MSELoss(), weight=weight)
    with pytest.raises(ValueError, match="empty"):
        Pathways()
    with pytest.raises(ValueError, match="'logits' is a MSELoss, not a Pathway"):
        Pathways(logits=nn.MSELoss())
    for name in ("forward", "loss", "pred"):
        with pytest.raises(ValueError, match=f"'{name}' cannot name a pathway"):
            Pathways(**{name: Pathway(nn.MSELoss())})
    with pytest.raises(ValueError, match="2 layers and teacher_layer 1"):
        Pathway(nn.MSELoss(), ["a", "b"], ["c"])
    with pytest.raises(ValueError, match="student_adapter holds 1 modules for 2 layers"):
        Pathway(nn.MSELoss(), ["a", "b"], student_adapter=nn.Identity())
