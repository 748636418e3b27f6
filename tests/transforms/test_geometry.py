# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from monai.transforms import Affine

from monai_kd.transforms.geometry import compose, from_pixels, identity, inside, invert, warp

SIZES = {2: (10, 14), 3: (8, 10, 6)}


def geometries(count=3, dims=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return identity(count, dims) + 0.3 * torch.randn(count, dims, dims + 1, generator=generator)


def pixel_places(theta, size):
    """affine_grid(align_corners=False) by hand: the source coordinates of all pixels, (B, *size, d)."""
    axes = [(2 * torch.arange(side) + 1) / side - 1 for side in size]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flip(-1)
    return torch.stack([points @ one[:, :-1].T + one[:, -1] for one in theta])


@pytest.mark.parametrize("dims", [2, 3])
def test_composition_and_inverse_as_by_hand(dims):
    a, b = geometries(dims=dims), geometries(dims=dims, seed=1)
    for i in range(len(a)):
        x = torch.rand(dims)
        through = [sum(b[i, r, c] * x[c] for c in range(dims)) + b[i, r, dims] for r in range(dims)]
        both = [sum(a[i, r, c] * through[c] for c in range(dims)) + a[i, r, dims] for r in range(dims)]
        composed = compose(a, b)[i]
        torch.testing.assert_close(composed[:, :-1] @ x + composed[:, -1], torch.stack(both))
    torch.testing.assert_close(compose(invert(a), a), identity(len(a), dims), atol=1e-5, rtol=0)
    torch.testing.assert_close(compose(a, invert(a)), identity(len(a), dims), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dims", [2, 3])
def test_inside_is_what_lies_in_the_source(dims):
    theta = geometries(dims=dims)
    expected = (pixel_places(theta, SIZES[dims]).abs() <= 1).all(-1)[:, None]
    assert torch.equal(inside(theta, SIZES[dims]), expected)
    assert 0 < expected.float().mean() < 1
    assert inside(identity(2, dims), SIZES[dims]).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_a_linear_image_is_read_at_its_places(dims):
    """Linear interpolation of an image that is linear in its coordinates is exact, axis by axis."""
    size = SIZES[dims]
    source = pixel_places(identity(3, dims), size).movedim(-1, 1)
    theta = geometries(dims=dims)
    moved = warp(source, theta, padding_mode="border")
    places = pixel_places(theta, size).movedim(-1, 1)
    edge = torch.tensor([1 - 1 / side for side in size]).flip(0).reshape(1, -1, *[1] * dims)
    seen = (places.abs() <= edge).all(1, keepdim=True).expand_as(places)
    torch.testing.assert_close(moved[seen], places[seen], atol=1e-5, rtol=0)


def test_a_view_of_a_view_is_the_composed_view():
    y, x = torch.meshgrid(torch.linspace(0, 3, 64), torch.linspace(0, 2, 48), indexing="ij")
    image = (x.sin() + y.cos()).expand(2, 1, 64, 48)
    first, second = identity(2, 2) * 0.9, compose(identity(2, 2), from_pixels(*rotation(0.2), (64, 48)) * 0.5)
    twice = warp(warp(image, first), second)
    torch.testing.assert_close(twice, warp(image, compose(first, second)), atol=2e-3, rtol=0)
    back = warp(warp(image, second), invert(second))
    seen = inside(compose(invert(second), identity(2, 2) * 1.1), (64, 48))
    torch.testing.assert_close(back[seen], image[seen], atol=2e-2, rtol=0)


def rotation(angle, count=2):
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn.repeat(count, 1, 1), torch.zeros(count, 2)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_pixels_move_as_in_monais_affine(dims, mode):
    image = torch.rand(2, 1, *SIZES[dims])
    linear, shift = torch.eye(dims) + 0.2 * torch.randn(2, dims, dims), torch.randn(2, dims)
    moved = warp(image, from_pixels(linear, shift, SIZES[dims]), mode=mode)
    for i in range(2):
        matrix = torch.eye(dims + 1)
        matrix[:dims, :dims], matrix[:dims, dims] = linear[i], shift[i]
        expected, _ = Affine(affine=matrix, mode=mode, padding_mode="zeros")(image[i])
        torch.testing.assert_close(moved[i], torch.as_tensor(expected), atol=1e-4, rtol=0)


def test_size_type_and_layout():
    image, theta = torch.rand(2, 3, 8, 12), geometries(2)
    assert warp(image, theta, size=(4, 6)).shape == (2, 3, 4, 6)
    expected = warp(image, theta)
    torch.testing.assert_close(warp(image.double(), theta), expected.double(), atol=1e-5, rtol=0)
    assert warp(image.double(), theta).dtype == torch.float64
    torch.testing.assert_close(warp(image.to(memory_format=torch.channels_last), theta), expected)
    assert warp(image.bfloat16(), theta).dtype == torch.bfloat16
    label = (image > 0.5).to(torch.uint8)
    moved = warp(label, theta, mode="nearest")
    assert moved.dtype == torch.uint8 and set(moved.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_geometry_is_what_affine_grid_takes(dims, mode):
    image, theta = torch.rand(3, 2, *SIZES[dims]), geometries(dims=dims)
    grid = torch.nn.functional.affine_grid(theta, [3, 2, *SIZES[dims]], align_corners=False)
    expected = torch.nn.functional.grid_sample(image, grid, mode, align_corners=False)
    torch.testing.assert_close(warp(image, theta, mode=mode), expected, atol=1e-4, rtol=0)


def test_double_precision_is_not_lost():
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(warp(image, identity(1, 2)), image, atol=1e-14, rtol=0)


def test_geometry_of_another_batch_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 1, 8, 8\) cannot be moved by a geometry of shape \(3, 2, 3\)"):
        warp(torch.rand(2, 1, 8, 8), identity(3, 2))
    with pytest.raises(ValueError, match="3 spatial dimensions"):
        warp(torch.rand(2, 1, 8, 8), identity(2, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_geometry_follows_the_tensor_to_its_device():
    image, theta = torch.rand(2, 1, 8, 8), geometries(2)
    torch.testing.assert_close(warp(image.cuda(), theta).cpu(), warp(image, theta), atol=1e-5, rtol=0)
