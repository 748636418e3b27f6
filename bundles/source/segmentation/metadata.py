# SPDX-License-Identifier: Apache-2.0
"""The metadata of breast_ultrasound_segmentation."""

from bundles.source.shared.metadata import SIZE, metadata, tensor

METADATA = metadata(
    {
        "0.2.0": "weights of two students, a teacher with a pretrained encoder, few labels, boxes, DICOM",
        "0.1.0": "first version: teacher, student alone, distillation by logits, hidden features, adversarial "
        "training and gradients, evaluation and inference",
    },
    {
        "name": "Breast ultrasound segmentation by distillation",
        "task": "Segmentation of breast lesions in ultrasound images by a small network, distilled from a large one",
        "description": "A teacher with a pretrained encoder is trained on B-mode ultrasound images with lesion masks. "
        "A small student is trained on the labels and on the teacher's predictions together, also on images without "
        "labels.",
    },
    {
        "label_classes": "single channel, 1 is lesion, everything else 0",
        "pred_classes": "2 channels of logits, channel 1 is lesion, channel 0 is background",
    },
    [
        "Behboodi, Brooks, Rivaz. Optimizing knowledge distillation for efficient breast ultrasound image "
        "segmentation: insights and performance enhancement. Artificial Intelligence in Health 2(2), 2025. "
        "doi 10.36922/aih.3509"
    ],
    tensor({"type": "image", "format": "segmentation"}, {"0": "background", "1": "lesion"}, SIZE, []),
    {"mean_dice": 0.786},
    {"monai-label": "0.8.5"},
)
