# SPDX-License-Identifier: Apache-2.0
"""What is special in the configs of breast_ultrasound_classification."""

from bundles.source.shared import parts
from bundles.source.shared.task import Config, Task


def resnet(blocks: int, channels: str) -> Config:
    return {
        "_target_": "ResNet",
        "block": "basic",
        "layers": [blocks] * 4,
        "block_inplanes": channels,
        "spatial_dims": 2,
        "n_input_channels": 1,
        "num_classes": "$len(@classes)",
        "conv1_t_stride": 2,
    }


STUDENT = {"student_channels": [16, 24, 40, 64], "network_def": resnet(1, "@student_channels")}
TEACHER_CHANNELS = {"teacher_channels": [64, 128, 256, 512]}
TEACHER = resnet(2, "@teacher_channels")

CLASSIFICATION = Task(
    bundle="breast_ultrasound_classification",
    keys="image",
    modes="bilinear",
    student=STUDENT,
    check="$monai_kd.networks.check_classifier({}, @spatial_size, len(@classes))",
    classes={"classes": ["benign", "malignant"]},
    of_classes={"classes": "@classes"},
    meta={"track_meta": False},
    values={"balanced": False},
    loss={
        "class_weights": "$monai_kd.data.class_weights(@train#dataset.data, len(@classes)).to(@device) "
        "if @balanced else None",
        "loss": {"_target_": "torch.nn.CrossEntropyLoss", "weight": "@class_weights"},
    },
    dataset={"classes": "@classes"},
    dataloader={"drop_last": "$len(@train#dataset) % @batch_size == 1"},
    postprocessing=parts.compose(
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {"_target_": "AsDiscreted", "keys": "label", "to_onehot": "$len(@classes)"},
    ),
    key_metric={"val_roc_auc": {"_target_": "ROCAUC", **parts.PREDICTED}},
    best={"key_metric_greater_or_equal": True},
    settings={"classes": "@classes", "balanced": "@balanced"},
)
