# SPDX-License-Identifier: Apache-2.0
"""A student whose normalization folds into its convolutions computes with integers between the first and the last."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from monai_kd.export.forms.onnx_file import load_onnx, write_onnx
from monai_kd.export.forms.onnx_int8 import between_convolutions, layers, write_int8
from monai_kd.export.graph import RawNetwork
from monai_kd.networks import StudentUNet


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The ONNX file of a student with batch normalization that has seen images."""
    torch.manual_seed(0)
    network = StudentUNet(2, 1, 2, channels=(4, 8, 8), norm="batch")
    for _ in range(9):
        network(torch.randn(8, 1, 32, 32))
    path = tmp_path_factory.mktemp("integers") / "student.onnx"
    write_onnx(RawNetwork(network.eval()), (1, 1, 32, 32), path)
    return path


@pytest.fixture
def images():
    random = np.random.default_rng(0)
    return [random.standard_normal((1, 1, 32, 32), dtype=np.float32) for _ in range(8)]


def kinds_run(path, tmp_path):
    """How often ONNX Runtime runs each kind of node, once it has joined those that it can."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node)


def test_between_the_first_and_the_last_convolution_are_integers(student, images, tmp_path):
    names = list(layers(onnx.load(student)).values())
    assert "BatchNormalization" not in kinds_run(student, tmp_path)
    assert write_int8(student, tmp_path / "int8.onnx", images) == names[1:-1]
    kinds = kinds_run(tmp_path / "int8.onnx", tmp_path)
    assert kinds["QLinearConv"] == len(names) - 2 and kinds["Conv"] + kinds["FusedConv"] == 2
    assert kinds["QLinearAdd"] == 6 and not {"Relu", "BatchNormalization"} & set(kinds)
    exact, rounded = (load_onnx(path, ["logits"], 1)(images[0])["logits"] for path in (student, tmp_path / "int8.onnx"))
    assert 0 < np.abs(rounded - exact).max() < 0.2 * np.abs(exact).max()


def test_float_layers_stay_float_there_too(student, images, tmp_path):
    quantized = write_int8(student, tmp_path / "int8.onnx", images, ["decoder"])
    assert quantized and all(layer.startswith("encoder.levels") for layer in quantized)
    kinds = kinds_run(tmp_path / "int8.onnx", tmp_path)
    assert kinds["QLinearConv"] == len(quantized)


def test_instance_norm_between_is_in_floating_point(student):
    graph = onnx.load(student).graph
    assert between_convolutions(graph)
    relu = next(node for node in graph.node if node.op_type == "Relu")
    relu.op_type = "InstanceNormalization"
    assert not between_convolutions(graph)
