# SPDX-License-Identifier: Apache-2.0
"""Evaluation and inference: probabilities of the classes."""

from bundles.source.classification.task import CLASSIFICATION
from bundles.source.shared.evaluate import evaluate, inference, inference_stock

SOFTMAX = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
NAMES = {"batch_transform": "$lambda batch: [{'filename_or_obj': sample['id']} for sample in batch]"}
EVALUATIONS = {
    "evaluate": evaluate(
        CLASSIFICATION,
        postprocessing=SOFTMAX,
        key_metric={
            "roc_auc": {
                "_target_": "ROCAUC",
                "output_transform": "$lambda output: ([sample['pred'][1:] for sample in output], "
                "[torch.tensor([sample['label']]) for sample in output])",
            }
        },
        scores={
            "_target_": "monai_kd.handlers.ClassificationScoresHandler",
            "output_dir": "@output_dir",
            "classes": "@classes",
        },
    ),
    "inference": inference(
        CLASSIFICATION,
        postprocessing=SOFTMAX,
        handlers=[
            {
                "_target_": "ClassificationSaver",
                **NAMES,
                "output_transform": "$lambda output: [sample['pred'] for sample in output]",
                "saver": {
                    "_target_": "monai_kd.data.ProbabilitySaver",
                    "output_dir": "@output_dir",
                    "classes": "@classes",
                },
            }
        ],
    ),
    "inference_stock": inference_stock(
        CLASSIFICATION,
        imports=["$import os"],
        data="$[{'image': path, 'id': os.path.splitext(os.path.basename(path))[0]} for path in @images]",
        postprocessing=SOFTMAX,
        handlers=[
            {
                "_target_": "ClassificationSaver",
                "output_dir": "@output_dir",
                **NAMES,
                "output_transform": "$monai.handlers.from_engine('pred')",
            }
        ],
    ),
}
