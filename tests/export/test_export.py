# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from monai.bundle import ConfigWorkflow
from monai.data import load_net_with_metadata
from PIL import Image
from torch import nn

from monai_kd.export import FORMS, open_bundle
from monai_kd.export.forms.onnx_int8 import layers, write_int8
from monai_kd.export.sample_images import raw_pixels
from monai_kd.networks import FakeQuantized
from tests.bundles.conftest import ROOT, run_bundle
from tests.export.conftest import FORMS as INSTALLED
from tests.export.conftest import SETTINGS, run_form


def session(exported, form="onnx"):
    return onnxruntime.InferenceSession(str(exported.forms()[form]), providers=["CPUExecutionProvider"])


def test_the_masks_are_those_that_the_bundle_writes(exported, images, checkpoint, tmp_path):
    run_bundle(
        "inference",
        dataset_dir=str(images / "original"),
        output_dir=str(tmp_path),
        checkpoint=str(checkpoint),
        student_channels=SETTINGS["student_channels"],
    )
    run = session(exported)
    different, pixels, found = 0, 0, 0.0
    for path in sorted((images / "original").glob("*.png")):
        mask, probabilities = run.run(None, {"image": np.asarray(Image.open(path).convert("L"))[None, None]})
        written = np.asarray(Image.open(tmp_path / path.name)) > 0
        assert mask.shape == (1, *written.shape) and probabilities.shape == (1, 2, *written.shape)
        different, pixels, found = different + (mask[0] != written).sum(), pixels + mask.size, found + mask.mean()
    assert different <= 1e-4 * pixels
    assert 0.02 < found / 16 < 0.98


@pytest.mark.parametrize("form", INSTALLED)
def test_every_form_takes_batches_of_any_size(exported, form):
    run = run_form(exported, form)
    random = np.random.default_rng(0)
    count = 1 if form == "executorch" else 3  # which takes one image at a time
    for shape in ((1, 1, 50, 90), (count, 1, 64, 33)):
        image = random.integers(0, 256, shape, dtype=np.uint8)
        answers = run(image)
        assert answers["mask"].shape == (shape[0], *shape[2:]) and answers["mask"].dtype == np.uint8
        assert answers["probabilities"].shape == (shape[0], 2, *shape[2:])
        assert np.allclose(answers["probabilities"].sum(1), 1, atol=1e-5)
        assert np.array_equal(answers["mask"], answers["probabilities"].argmax(1))
        alone = run(image[-1:])["probabilities"][0]
        assert np.allclose(answers["probabilities"][-1], alone, atol=1e-5)


def test_one_form_for_another_gives_the_same(exported):
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 70, 41), dtype=np.uint8)
    runs = {form: run_form(exported, form)(image) for form in exported.forms()}
    for form in set(runs) - {"onnx"}:
        largest = np.abs(runs[form]["probabilities"] - runs["onnx"]["probabilities"]).max()
        assert largest < (0.3 if FORMS[form].is_rounded else 1e-3), form


def test_the_file_says_what_it_is(exported, checkpoint):
    model = onnx.load(exported.forms()["onnx"])
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["student"] == "StudentUNet"
    assert json.loads(found["classes"]) == {"0": "background", "1": "lesion"}
    assert found["input"] == "image (batch, 1, height, width): raw pixels, uint8"
    assert found["bundle_version"] == "0.2.0"
    assert len(found["weights_sha256"]) == 64
    content = exported.forms()["onnx"].read_bytes()
    assert str(ROOT.parents[1]).encode() not in content and b".py" not in content
    assert [node.name for node in model.graph.input] == ["image"]
    assert [node.name for node in model.graph.output] == ["mask", "probabilities"]


def test_norms_are_one_node_each(exported):
    counts = [node.op_type for node in onnx.load(exported.forms()["onnx"]).graph.node]
    norms = sum(isinstance(one, torch.nn.GroupNorm) for one in exported.module().network.modules())
    assert counts.count("InstanceNormalization") == norms > 0
    assert "Softmax" not in counts and counts.count("Conv") > norms


def test_fp16_is_the_network_alone(exported):
    sizes = {form: exported.forms()[form].stat().st_size for form in ("onnx", "fp16")}
    types = {}
    for form in sizes:
        graph = onnx.load(exported.forms()[form]).graph
        held = {one.name: onnx.TensorProto.DataType.Name(one.data_type) for one in graph.initializer}
        types[form] = {held[node.input[1]] for node in graph.node if node.op_type == "Conv"}
        answers = {node.name: node.type.tensor_type.elem_type for node in graph.output}
        assert answers == {"mask": onnx.TensorProto.UINT8, "probabilities": onnx.TensorProto.FLOAT}
    assert types == {"onnx": {"FLOAT"}, "fp16": {"FLOAT16"}} and sizes["fp16"] < sizes["onnx"]
    assert 0 < exported.report["forms"]["fp16"]["largest_difference"] < 0.02
    assert exported.module().network.head.weight.dtype == torch.float32


def test_int8_quantizes_the_convolutions_and_nothing_else(exported):
    model = onnx.load(exported.forms()["int8"])
    found = {entry.key: entry.value for entry in model.metadata_props}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    made = {name: node for node in model.graph.node for name in node.output}
    for node in convolutions:
        assert made[node.input[0]].op_type == made[node.input[1]].op_type == "DequantizeLinear"
    assert len(json.loads(found["int8_layers"])) == len(convolutions)
    assert found["weights_sha256"] == exported.report["weights_sha256"]
    types = {one.name: one.data_type for one in model.graph.initializer}
    weights = [types[made[node.input[1]].input[0]] for node in convolutions]
    assert set(weights) == {onnx.TensorProto.INT8}
    float_kinds = [node.op_type for node in onnx.load(exported.forms()["onnx"]).graph.node]
    kinds = [node.op_type for node in model.graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    assert sorted(kinds) == sorted(float_kinds)


def test_the_folder_is_a_bundle(exported, images, tmp_path):
    workflow = ConfigWorkflow(
        str(exported.folder / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(exported.folder),
        dataset_dir=str(images / "original" / "000001.png"),
        output_dir=str(tmp_path),
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    assert (tmp_path / "000001.png").is_file()


def test_torchscript_has_its_metadata(exported):
    _, metadata, _ = load_net_with_metadata(str(exported.forms()["torchscript"]))
    assert metadata["weights_sha256"] == exported.report["weights_sha256"]


def test_layers_can_stay_in_floating_point(exported, tmp_path):
    images = [np.random.default_rng(0).integers(0, 256, (1, 1, 32, 32), dtype=np.uint8)] * 8
    quantized = write_int8(exported.forms()["onnx"], tmp_path / "int8.onnx", images, ("head", "encoder"))
    assert quantized and all(layer.startswith("decoder") for layer in quantized)
    assert set(quantized) < set(layers(onnx.load(exported.forms()["onnx"])).values())
    with pytest.raises(ValueError, match=r"float_layers: no convolution in a layer 'heads'. Choose from encoder"):
        write_int8(exported.forms()["onnx"], tmp_path / "none.onnx", images, ("heads",))
    with pytest.raises(ValueError, match="No convolution is left to quantize"):
        write_int8(exported.forms()["onnx"], tmp_path / "none.onnx", images, ("head", "encoder", "decoder"))
    assert not (tmp_path / "none.onnx").exists()


def test_pixels_are_those_of_pillow(images):
    path = images / "original" / "000001.png"
    pixels = raw_pixels(open_bundle(ROOT), {"image": str(path)})
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels[0, 0], np.asarray(Image.open(path).convert("L")))


def take_ranges(fake, source, int8):
    """Give fake quantization the scales and zero points of an INT8 file."""
    names = layers(onnx.load(source))
    graph = onnx.load(int8).graph
    values = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    taken_by = {name: node for node in graph.node for name in node.input}
    convolutions = [name for name, layer in fake.unwrapped.named_modules() if isinstance(layer, nn.Conv2d)]
    quantizers = dict(zip(convolutions, fake.quantizers, strict=True))
    for node in graph.node:
        if node.op_type == "Conv":
            both = quantizers[names[node.name]]
            for quantizer, linear in ((both.input, made_by[node.input[0]]), (both.output, taken_by[node.output[0]])):
                quantizer.scale.copy_(torch.tensor(values[linear.input[1]]))
                quantizer.zero_point.copy_(torch.tensor(values[linear.input[2]].astype(np.int32)))


@pytest.mark.skipif(
    "vnni" not in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else False,
    reason="without VNNI the processor's sums of 8-bit products saturate, which rounding alone does not",
)
def test_fake_quantization_computes_what_int8_will(exported, images):
    path = sorted((images / "original").glob("*.png"))[0]
    image = np.asarray(Image.open(path).convert("L"))[None, None]
    float32, int8 = (session(exported, form).run(None, {"image": image})[1] for form in ("onnx", "int8"))
    module = exported.module()
    module.network = FakeQuantized(module.network)
    with torch.no_grad():
        module.train()(torch.from_numpy(image.copy()))
        take_ranges(module.network, exported.forms()["onnx"], exported.forms()["int8"])
        fake = module.eval()(torch.from_numpy(image.copy()))[1].numpy()
    rounding, apart = (np.abs(one - int8).mean() for one in (float32, fake))
    assert rounding > 0 and apart < 0.5 * rounding
