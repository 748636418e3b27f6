# SPDX-License-Identifier: Apache-2.0
import re

import pytest
import torch

from monai_kd.networks import LogitsDiscriminator, PatchLogitsDiscriminator, SelfAttention, SelfAttentionDiscriminator


def attentive(spatial_dims=2, **arguments):
    torch.manual_seed(0)
    return SelfAttentionDiscriminator(spatial_dims, 2, **{"channels": (4, 8, 16), **arguments})


def patchy(spatial_dims=2, **arguments):
    torch.manual_seed(0)
    return PatchLogitsDiscriminator(spatial_dims, 2, **{"num_classes": 2, "channels": 4, "num_layers": 1, **arguments})


def pair(spatial_dims=2, batch=3, side=16, image_channels=1):
    generator = torch.Generator().manual_seed(1)
    sides = [side] * spatial_dims
    return tuple(torch.randn((batch, channels, *sides), generator=generator) for channels in (2, image_channels))


def first(answer):
    return answer[0] if isinstance(answer, tuple) else answer


def test_attention_is_its_equation():
    torch.manual_seed(0)
    block, x = SelfAttention(2, 16).double(), torch.randn(1, 16, 2, 3, dtype=torch.float64)
    assert torch.equal(block(x), x)  # gamma starts at 0
    block.gamma.data.fill_(0.7)
    query, key, value = (layer(x)[0].flatten(1).T for layer in (block.query, block.key, block.value))
    assert query.shape == (6, 2)
    for i in range(6):
        shares = torch.stack([query[i] @ key[j] for j in range(6)]).softmax(0)
        expected = x[0].flatten(1)[:, i] + 0.7 * sum(shares[j] * value[j] for j in range(6))
        torch.testing.assert_close(block(x)[0].flatten(1)[:, i], expected)


def test_attention_can_be_differentiated_twice():
    torch.manual_seed(0)
    block = SelfAttention(3, 4).double()
    block.gamma.data.fill_(0.5)
    assert torch.autograd.gradgradcheck(block, torch.randn(1, 4, 1, 2, 2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_whole_predictions_get_one_score_and_patches_many(spatial_dims):
    logits, image = pair(spatial_dims)
    assert attentive(spatial_dims)(logits, image).shape == (3, 1)
    real, classes = patchy(spatial_dims, num_classes=4)(logits, image)
    assert real.shape[:2] == (3, 1) and classes.shape[:2] == (3, 4)
    assert real.shape[2:] == classes.shape[2:] and min(real.shape[2:]) > 1


@pytest.mark.parametrize("make", [attentive, patchy])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_smallest_image_is_enough(make, spatial_dims):
    discriminator = make(spatial_dims)
    answer = first(discriminator(*pair(spatial_dims, side=discriminator.smallest)))
    assert answer.isfinite().all() and answer.std() > 0


@pytest.mark.parametrize("make", [attentive, patchy])
def test_score_depends_on_logits_and_image_and_on_no_other_sample(make):
    discriminator, (logits, image) = make().eval(), pair()
    answer = first(discriminator(logits, image))
    assert not torch.allclose(answer, first(discriminator(logits.flip(2), image)))
    assert not torch.allclose(answer, first(discriminator(logits, image.flip(2))))
    torch.testing.assert_close(answer[:1], first(discriminator(logits[:1], image[:1])))


@pytest.mark.parametrize("make", [attentive, patchy])
def test_the_image_can_be_left_out(make):
    discriminator, (logits, image) = make(image_channels=0).eval(), pair()
    assert torch.equal(first(discriminator(logits, image)), first(discriminator(logits)))


def test_size_and_offset_of_the_logits_are_normalized_unless_told():
    logits, image = pair()
    for norm, alike in ((("GROUP", {"num_groups": 1}), True), (None, False)):
        discriminator = attentive(norm=norm).eval()
        scores = [discriminator(changed, image) for changed in (logits, 5 * logits + 3)]
        assert torch.allclose(*scores, atol=1e-4) == alike


def test_every_strided_convolution_has_spectral_norm():
    discriminator, (logits, image) = attentive(), pair()
    for _ in range(50):  # each pass in training refines the estimate
        discriminator(logits, image)
    strided = [m for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2)]
    assert len(strided) == 3
    for convolution in strided:
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("make", [attentive, patchy, lambda: LogitsDiscriminator(2, 2)])
def test_state_round_trip(make):
    trained, other = make(), make()
    inputs = pair() if "channels" in vars(trained) else (torch.randn(4, 2),)
    for _ in range(3):
        trained(*inputs)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter += 0.1
    other.load_state_dict(trained.state_dict())
    assert torch.equal(first(trained(*inputs)), first(other(*inputs)))


def test_logits_of_samples_get_an_answer_each():
    real, classes = LogitsDiscriminator(in_channels=3, num_classes=4, channels=[8], dropout=0.5)(torch.randn(5, 3))
    assert real.shape == (5, 1) and classes.shape == (5, 4)


@pytest.mark.parametrize(
    ("make", "inputs", "message"),
    [
        (attentive, pair(side=4), r"SelfAttentionDiscriminator got logits of shape \(3, 2, 4, 4\).*8 pixels"),
        (patchy, pair(side=4), r"PatchLogitsDiscriminator got logits of shape .*6 pixels"),
        (attentive, pair(image_channels=3), r"image of shape \(3, 3, 16, 16\).*\(3, 1, 16, 16\).*image_channels"),
        (patchy, pair()[:1], r"got no image with logits.*image_channels"),
        (attentive, (torch.zeros(3, 2),), r"logits of shape \(3, 2\).*LogitsDiscriminator"),
        (attentive, (torch.zeros(3, 4, 16, 16),), r"needs \(B, 2, H.*in_channels"),
        (lambda: LogitsDiscriminator(2, 2), pair(), r"needs \(B, 2\).*PatchLogitsDiscriminator"),
        (lambda: LogitsDiscriminator(2, 2), (torch.zeros(3, 4),), r"needs \(B, 2\).*in_channels"),
    ],
)
def test_other_shapes_are_refused(make, inputs, message):
    with pytest.raises(ValueError, match=message) as error:
        make()(*inputs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (attentive, {"spatial_dims": 4}),
        (attentive, {"channels": (8,)}),
        (patchy, {"num_classes": 1}),
        (patchy, {"num_layers": 0}),
        (LogitsDiscriminator, {"in_channels": 2, "num_classes": 1}),
        (LogitsDiscriminator, {"in_channels": 2, "num_classes": 2, "channels": ()}),
    ],
)
def test_arguments_out_of_range_are_refused(make, arguments):
    name, value = list(arguments.items())[-1]
    with pytest.raises(ValueError, match=rf"{name}={re.escape(repr(value))}.*Give"):
        make(**arguments)
