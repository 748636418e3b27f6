# SPDX-License-Identifier: Apache-2.0
"""The trainings of the student with its teacher, of the student alone, of the teacher, and of an auto-encoder."""

from dataclasses import replace

from bundles.source.segmentation.task import SEGMENTATION, STUDENT, TEACHER, pretrained_unet
from bundles.source.shared import parts
from bundles.source.shared.stages import DISTRIBUTED, TEACHER_CHECKPOINT, alone, distillation, with_teacher
from bundles.source.shared.train import training

TEACHER_LAYERS = {"teacher_layers": "$monai_kd.networks.layers_of(@teacher_def)"}
ENCODED = {
    "encoded_layer": "$@teacher_layers.decoder[0]",
    "autoencoder": {
        "_target_": "monai_kd.networks.FeatureAutoencoder",
        "spatial_dims": 2,
        "in_channels": "$@teacher_layers.decoder_channels[0]",
        "channels": "$[max(2, @teacher_layers.decoder_channels[0] // part) for part in (2, 4, 4)]",
        "strides": [2, 1, 1],
    },
}
# The auto-encoder learns to reconstruct a teacher's features, not to predict masks.
AUTOENCODING = replace(
    SEGMENTATION,
    loss={"loss": {"_target_": "monai_kd.losses.FeatureReconstructionLoss"}},
    prepare_batch={
        "prepare_batch": {
            "_target_": "monai_kd.engines.PrepareTeacherFeature",
            "teacher": "@teacher_def",
            "layer": "@encoded_layer",
        }
    },
    prepared={"prepare_batch": "@prepare_batch"},
    postprocessing={"_target_": "Lambdad", "keys": "pred", "func": "$lambda autoencoded: autoencoded[0]"},
    key_metric={"val_squared_error": {"_target_": "MeanSquaredError", **parts.PREDICTED}},
    best={"key_metric_negative_sign": True},
    compared={"metric_cmp_fn": "$lambda error, least: error < least"},
)

DISTILLED = distillation(
    {
        **STUDENT,
        **DISTRIBUTED,
        "student_layers": "$monai_kd.networks.layers_of(@network_def)",
        "teacher_def": TEACHER,
        **TEACHER_LAYERS,
    }
)
PRETRAINED = {"teacher_def": pretrained_unet(True), "network_def": "@teacher_def", **DISTRIBUTED}
AUTOENCODER = with_teacher(
    alone(
        "autoencoder",
        {
            "teacher_def": TEACHER,
            **TEACHER_LAYERS,
            **ENCODED,
            "network": "$monai_kd.engines.distribute(@autoencoder, @device)",
        },
    ),
    title="auto-encoder",
    learning_rate=0.001,
    max_epochs=100,
    patience=20,
    settings={"autoencoder": "$repr(@autoencoder)", "encoded_layer": "@encoded_layer", **TEACHER_CHECKPOINT},
    trained="@autoencoder",
    checked=("@teacher_def",),
)

TRAININGS = {
    "train": training(SEGMENTATION, DISTILLED),
    "train_student": training(SEGMENTATION, alone("student", {**STUDENT, **DISTRIBUTED})),
    "train_teacher": training(SEGMENTATION, alone("teacher", PRETRAINED, learning_rate=0.001)),
    "train_autoencoder": training(AUTOENCODING, AUTOENCODER),
}
