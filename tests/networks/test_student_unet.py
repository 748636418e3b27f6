# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from monai_kd.features import FeatureHooks
from monai_kd.networks import StudentUNet

TINY = (4, 8, 12)


def tiny(spatial_dims: int = 2, **arguments: object) -> StudentUNet:
    torch.manual_seed(0)
    return StudentUNet(spatial_dims, 1, 3, channels=TINY, **arguments).eval()  # type: ignore[arg-type]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", [(224, 224), (128, 96), (65, 97), (33, 47), (33, 33)])
def test_logits_have_the_image_size_in_2d(size: tuple[int, int]) -> None:
    assert StudentUNet(2, 3, 2)(torch.randn(2, 3, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("size", [(48, 48, 48), (33, 36, 49)])
def test_logits_have_the_image_size_in_3d(size: tuple[int, int, int]) -> None:
    assert StudentUNet(3, 1, 4)(torch.randn(1, 1, *size)).shape == (1, 4, *size)


def test_sizes_of_the_three_students() -> None:
    assert parameters(StudentUNet(2, 3, 2)) <= 820_000
    assert 40_000 <= parameters(StudentUNet(2, 1, 2, channels=(8, 12, 16, 24, 32))) <= 60_000
    assert 10_000 <= parameters(StudentUNet(2, 1, 2, channels=(4, 6, 8, 12, 20))) <= 20_000


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_scripted_network_gives_the_same_logits(spatial_dims: int) -> None:
    network = tiny(spatial_dims)
    scripted = torch.jit.script(network)
    for size in (16, 19):
        image = torch.randn(1, 1, *[size] * spatial_dims)
        torch.testing.assert_close(scripted(image), network(image))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("size", [(32, 32), (29, 46)])
def test_onnx_export_of_one_size_serves_every_size(size: tuple[int, int]) -> None:
    onnx = pytest.importorskip("onnx")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    network, file = tiny(), io.BytesIO()
    axes = {"image": {2: "height", 3: "width"}}
    arguments = {"dynamo": False, "input_names": ["image"], "output_names": ["logits"], "dynamic_axes": axes}
    torch.onnx.export(network, (torch.randn(1, 1, 32, 32),), file, **arguments)
    model = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(model)
    image = torch.randn(1, 1, *size)
    (logits,) = evaluator(model).run(None, {"image": image.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), network(image).detach(), rtol=1e-3, atol=1e-4)


def test_compiled_network_gives_the_same_logits() -> None:
    network, image = tiny(), torch.randn(1, 1, 16, 16)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), network(image), rtol=1e-4, atol=1e-4)


def test_every_level_can_be_captured_by_name() -> None:
    layers = ["encoder", "decoder", "head"]
    layers += [f"encoder.levels.{i}" for i in range(3)] + [f"decoder.levels.{i}" for i in range(2)]
    network, image = tiny(), torch.randn(2, 1, 32, 48)
    with FeatureHooks(network, layers) as hooks:
        network(image)
        features = hooks.pop()
    shapes = {name: tuple(feature.shape[1:]) for name, feature in features.items()}
    assert shapes["encoder.levels.0"] == (4, 16, 24)
    assert shapes["encoder.levels.1"] == (8, 8, 12)
    assert shapes["encoder.levels.2"] == shapes["encoder"] == (12, 4, 6)
    assert shapes["decoder.levels.0"] == (8, 8, 12)
    assert shapes["decoder.levels.1"] == shapes["decoder"] == (4, 16, 24)
    assert shapes["head"] == (3, 16, 24)


@pytest.mark.parametrize("act", ["relu", ("relu", {"inplace": True}), ("leakyrelu", {"inplace": True}), "prelu"])
def test_captured_features_are_not_overwritten_later(act: str | tuple[str, dict[str, bool]]) -> None:
    network = tiny(act=act)
    names = [name for name, _ in network.named_modules() if name.count(".") == 2 and ".levels." in name]
    assert len(names) == 5
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    for name in names:
        network.get_submodule(name).register_forward_hook(lambda _m, _i, output: kept.append((output, output.clone())))
    network(torch.randn(1, 1, 32, 32))
    assert len(kept) == 5
    for captured, at_capture in kept:
        assert torch.equal(captured, at_capture)


def test_channels_last_gives_the_same_logits() -> None:
    network, image = tiny(), torch.randn(2, 1, 32, 40)
    expected = network(image)
    network.to(memory_format=torch.channels_last)
    actual = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    logits = tiny().to(dtype)(10 * torch.randn(1, 1, 32, 32, dtype=dtype))
    assert logits.dtype == dtype
    assert logits.isfinite().all()


@pytest.mark.parametrize("norm", ["instance", "batch", ("group", {"num_groups": 4})])
def test_gradient_reaches_every_parameter(norm: str | tuple[str, dict[str, int]]) -> None:
    network = tiny(norm=norm).train()
    (network(torch.randn(2, 1, 32, 32)) * torch.randn(2, 3, 32, 32)).sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_instance_norm_makes_the_batch_irrelevant() -> None:
    network, image = tiny().train(), torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(network(image)[:1], network(image[:1]), rtol=1e-4, atol=1e-5)


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
        StudentUNet(**{**good, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1, 8, 32), (1, 1, 32), (1, 1, 32, 32, 32), (1, 2, 32, 32)])
def test_wrong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"StudentUNet.*Give"):
        tiny()(torch.zeros(shape))
