# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.transforms import RandGaussianNoise

from monai_kd.transforms import (
    BatchRandAffine,
    BatchRandFlip,
    BatchRandGaussianNoise,
    BatchRandPixelDropout,
    BatchRandScaleCrop,
    View,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def strong(dims=2):
    ranges = {"rotate_range": 0.3, "translate_range": [3.0] * dims, "scale_range": [0.2] * dims}
    return View(
        [BatchRandScaleCrop(0.8), BatchRandFlip(0.5, 0), BatchRandAffine(1.0, **ranges)],
        [BatchRandGaussianNoise(0.5, std=0.1), BatchRandPixelDropout(0.5, 0.05)],
    )


def whole(view, image, seed=0):
    generator = seeded(seed)
    theta = view.draw(len(image), image.shape[2:], generator)
    return view.disturb(view.move(image, theta), generator)


def test_noise_has_its_mean_and_deviation():
    noise = BatchRandGaussianNoise(1.0, mean=2.0, std=0.5, sample_std=False)(torch.zeros(50, 2, 32, 32), seeded())
    assert noise.mean().item() == pytest.approx(2.0, abs=0.01)
    assert noise.flatten(1).std(1).sub(0.5).abs().max() < 0.05
    assert not torch.equal(noise[:, 0], noise[:, 1])


def test_sampled_deviations_are_uniform_as_monais():
    deviations = BatchRandGaussianNoise(1.0, std=0.8)(torch.zeros(400, 1, 32, 32), seeded()).flatten(1).std(1)
    reference = RandGaussianNoise(1.0, std=0.8).set_random_state(seed=0)
    expected = torch.stack([torch.as_tensor(reference(torch.zeros(1, 32, 32))).std() for _ in range(400)])
    assert deviations.max() < 0.9
    quantiles = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    torch.testing.assert_close(deviations.quantile(quantiles), expected.quantile(quantiles), atol=0.08, rtol=0)


def test_noise_spares_the_other_samples():
    image = torch.rand(400, 1, 8, 8)
    same = (BatchRandGaussianNoise(0.3, mean=1.0)(image, seeded()) == image).flatten(1).all(1)
    assert 0.6 < same.float().mean() < 0.8


@pytest.mark.parametrize("shape", [(6, 1, 24, 32), (4, 2, 12, 16, 10)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_view_is_repeated_by_its_seed_alone(shape, dtype):
    view, image = strong(len(shape) - 2), torch.rand(shape, dtype=dtype)
    before = image.clone()
    torch.manual_seed(0)
    first = whole(view, image)
    torch.manual_seed(1)
    assert torch.equal(first, whole(view, image)) and not torch.equal(first, whole(view, image, seed=1))
    assert first.shape == shape and first.dtype == dtype and first.isfinite().all()
    assert torch.equal(image, before)


def test_samples_differ_though_the_images_are_the_same():
    seen = whole(strong(), torch.rand(1, 1, 24, 32).repeat(8, 1, 1, 1))
    assert len({tuple(one.flatten().tolist()) for one in seen}) == 8


def test_an_empty_view_is_the_image_itself():
    image = torch.rand(2, 1, 8, 8)
    assert torch.equal(whole(View(), image), image)


def test_a_label_stays_a_label():
    view = strong()
    label = (torch.rand(8, 1, 24, 32) > 0.5).float()
    moved = view.move(label, view.draw(8, (24, 32), seeded()), mode="nearest")
    assert set(moved.unique().tolist()) == {0.0, 1.0}


def test_what_lies_outside_is_padded_as_asked():
    theta = 3 * torch.eye(2, 3)[None]
    image = torch.full((1, 1, 8, 8), 5.0)
    flip = [BatchRandFlip(0.0)]
    assert View(flip).move(image, theta)[0, 0, 0, 0] == 0
    assert (View(flip, padding_mode="border").move(image, theta) == 5).all()


def test_channels_last_images_look_the_same():
    image = torch.rand(4, 3, 24, 32)
    torch.testing.assert_close(whole(strong(), image.to(memory_format=torch.channels_last)), whole(strong(), image))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_views_are_drawn_on_the_images_device():
    image = torch.rand(4, 1, 24, 32, device="cuda")
    view = strong()
    theta = view.draw(4, (24, 32), seeded())
    generators = [torch.Generator("cuda").manual_seed(0) for _ in range(2)]
    seen, again = (view.disturb(view.move(image, theta), generator) for generator in generators)
    assert seen.device == image.device and torch.equal(seen, again)
    torch.testing.assert_close(view.move(image, theta).cpu(), view.move(image.cpu(), theta), atol=1e-5, rtol=0)
