# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from monai_kd.features import FeatureHooks, layer_shapes
from monai_kd.networks import SeparableUNet, check_network

TINY = (3, 4, 6)


def tiny(spatial_dims: int = 2, **arguments: object) -> SeparableUNet:
    torch.manual_seed(0)
    return SeparableUNet(spatial_dims, 1, 3, channels=TINY, **arguments).eval()  # type: ignore[arg-type]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (8, 8), (11, 30), (9, 8, 12)])
def test_logits_have_the_image_size(size: tuple[int, ...], separable: bool) -> None:
    network = SeparableUNet(len(size), 2, 3, channels=TINY, separable=separable)
    check_network(network, size, in_channels=2, out_channels=3)
    assert network(torch.randn(2, 2, *size)).shape == (2, 3, *size)


def test_published_size_is_the_default() -> None:
    network = SeparableUNet(2, 1, 1)
    assert [level.convolve[2][1].out_channels for level in network.encoder.levels] == [32] * 7
    assert layer_shapes(network, torch.zeros(1, 1, 128, 256))["encoder"] == (1, 32, 2, 4)


@pytest.mark.parametrize(("spatial_dims", "separable", "count"), [
    (2, True, 42_443), (2, False, 287_714), (3, True, 60_317), (3, False, 859_682),
])  # fmt: skip
def test_number_of_parameters_is_the_documented_one(spatial_dims: int, separable: bool, count: int) -> None:
    assert parameters(SeparableUNet(spatial_dims, 1, 2, separable=separable)) == count


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_regular_and_separable_networks_have_the_same_layers_and_shapes(spatial_dims: int) -> None:
    image = torch.zeros(1, 1, *[16] * spatial_dims)
    separable, regular = (layer_shapes(tiny(spatial_dims, separable=flag), image) for flag in (True, False))
    names = [
        f"{part}.levels.{i}{end}" for part in ("encoder", "decoder") for i in range(2) for end in ("", ".convolve")
    ]
    for name in [*names, "encoder.levels.2", "encoder.levels.2.convolve", "encoder", "decoder", "head", ""]:
        assert separable[name] == regular[name], name
    assert set(regular) <= set(separable)
    sides = {name: shape[1:3] for name, shape in separable.items()}
    assert [sides[f"encoder.levels.{i}"] for i in range(3)] == [(3, 16), (4, 8), (6, 4)]
    assert [sides[f"decoder.levels.{i}"] for i in range(2)] == [(4, 8), (3, 16)]
    assert sides["encoder"] == (6, 4) and sides["decoder"] == (3, 16)


def test_a_separable_convolution_is_a_regular_one_of_products_of_weights() -> None:
    depthwise, pointwise = tiny().encoder.levels[1].convolve[0]
    regular = tiny(separable=False).encoder.levels[1].convolve[0]
    with torch.no_grad():
        regular.weight.copy_(pointwise.weight * depthwise.weight.transpose(0, 1))
        regular.bias.copy_(pointwise.bias)
    image = torch.randn(2, 3, 7, 7)
    torch.testing.assert_close(pointwise(depthwise(image)), regular(image))


@pytest.mark.parametrize("separable", [True, False])
def test_every_block_answers_to_the_image_from_the_start(separable: bool) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        network, image = (
            SeparableUNet(2, 1, 2, channels=(8,) * 5, separable=separable).train(),
            torch.randn(2, 1, 32, 32),
        )
        layers = [name for name, _ in network.named_modules() if name.endswith("convolve")]
        with FeatureHooks(network, layers) as hooks:
            network(image)
            features = hooks.pop()
        assert len(features) == 9
        for name, feature in features.items():
            varies = feature.std(dim=(0, 2, 3)) > 1e-3
            assert varies.float().mean() > 0.6, (seed, name)


def test_a_level_is_compared_before_its_normalization() -> None:
    network = tiny().train()
    level = network.encoder.levels[0]
    activation = level.convolve(torch.randn(2, 1, 16, 16))
    assert activation.min() == 0  # after the activation
    torch.testing.assert_close(level.norm(activation).mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_scripted_network_gives_the_same_logits(spatial_dims: int, separable: bool) -> None:
    network = tiny(spatial_dims, separable=separable)
    scripted = torch.jit.script(network)
    for size in (8, 11):
        image = torch.randn(1, 1, *[size] * spatial_dims)
        torch.testing.assert_close(scripted(image), network(image))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_onnx_export_gives_the_same_logits() -> None:
    onnx = pytest.importorskip("onnx")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    network, file, image = tiny(), io.BytesIO(), torch.randn(1, 1, 16, 24)
    torch.onnx.export(network, (image,), file, dynamo=False, input_names=["image"], output_names=["logits"])
    (logits,) = evaluator(onnx.load_from_string(file.getvalue())).run(None, {"image": image.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), network(image).detach(), rtol=1e-3, atol=1e-4)


def test_compiled_network_gives_the_same_logits() -> None:
    network, image = SeparableUNet(2, 1, 2, channels=(2, 3)).eval(), torch.randn(1, 1, 8, 8)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), network(image), rtol=1e-4, atol=1e-4)


def test_channels_last_gives_the_same_logits() -> None:
    network, image = tiny(), torch.randn(2, 1, 16, 24)
    expected = network(image)
    network.to(memory_format=torch.channels_last)
    actual = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance", ("group", {"num_groups": 1})])
@pytest.mark.parametrize("separable", [True, False])
def test_gradient_reaches_every_parameter(separable: bool, norm: str | tuple[str, dict[str, int]]) -> None:
    network = tiny(separable=separable, norm=norm, act="leakyrelu").train()
    (network(torch.randn(2, 1, 16, 16)) * torch.randn(2, 3, 16, 16)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_dims": 1}, "spatial_dims=1"),
        ({"in_channels": 0}, "in_channels=0"),
        ({"out_channels": -1}, "out_channels=-1"),
        ({"channels": (8,)}, "at least two levels"),
        ({"channels": (8, 0)}, r"channels=\(8, 0\)"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
    with pytest.raises(ValueError, match=message):
        SeparableUNet(**{**good, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1, 7, 32), (1, 1, 32), (1, 1, 32, 32, 32), (1, 2, 32, 32)])
def test_wrong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"SeparableUNet.*Give"):
        tiny()(torch.zeros(shape))
