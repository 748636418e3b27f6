# SPDX-License-Identifier: Apache-2.0
"""The metadata of breast_ultrasound_classification."""

from bundles.source.shared.metadata import metadata, tensor

METADATA = metadata(
    {
        "0.2.0": "weights of a student, a teacher with a pretrained encoder, few labels",
        "0.1.0": "first version: teacher, student alone, distillation, evaluation and inference",
    },
    {
        "name": "Breast ultrasound classification by distillation",
        "task": "Benign or malignant: classification of breast ultrasound images by a small network, "
        "distilled from a large one",
        "description": "A teacher of 11.2 million parameters is trained on B-mode ultrasound images of benign and "
        "malignant lesions. A student of a hundredth of its size is trained on the labels and on the teacher's "
        "predictions together.",
    },
    {
        "label_classes": "class index, 0 is benign, 1 is malignant",
        "pred_classes": "2 logits, the first of benign, the second of malignant",
    },
    [
        "Hinton, Vinyals, Dean. Distilling the knowledge in a neural network. arXiv 1503.02531, 2015",
        "He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016. arXiv 1512.03385",
    ],
    tensor({"type": "probabilities", "format": "classes"}, {"0": "benign", "1": "malignant"}, [], []),
    {"roc_auc": 0.812, "balanced_accuracy": 0.764},
)
