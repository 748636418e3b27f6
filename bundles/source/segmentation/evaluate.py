# SPDX-License-Identifier: Apache-2.0
"""Evaluation and inference: masks of the same size as their image."""

from bundles.source.segmentation.task import MEAN_DICE, ONE_HOT, SEGMENTATION
from bundles.source.shared import parts
from bundles.source.shared.evaluate import evaluate, inference, inference_stock

ORIGINAL = {"keys": "image", "names": "original"}
LESION = {"include_background": False}
LABEL_MAP = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
IN_THE_IMAGES_SIZE = (
    {"_target_": "Activationsd", "keys": "pred", "softmax": True},
    {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    },
)
EVALUATIONS = {
    "evaluate": evaluate(
        SEGMENTATION,
        values={"overlays": True},
        copies=[{"_target_": "CopyItemsd", **ORIGINAL}],
        postprocessing=parts.compose(*IN_THE_IMAGES_SIZE, ONE_HOT),
        key_metric={"dice": MEAN_DICE},
        further_metrics={
            "additional_metrics": {
                "iou": {"_target_": "MeanIoUHandler", **LESION, **parts.PREDICTED},
                "hd95": {"_target_": "HausdorffDistance", **LESION, "percentile": 95, **parts.PREDICTED},
            }
        },
        scores={
            "_target_": "monai_kd.handlers.ScoresHandler",
            "output_dir": "@output_dir",
            "metrics": {"dice": "dice", "iou": "iou", "hd95": "hd95"},
            "overlays": "@overlays",
        },
    ),
    "inference": inference(
        SEGMENTATION,
        values={"overlays": False},
        copies=[{"_target_": "CopyItemsd", "_disabled_": "$not @overlays", **ORIGINAL}],
        postprocessing=parts.compose(
            *IN_THE_IMAGES_SIZE,
            LABEL_MAP,
            {"_target_": "monai_kd.data.SaveMaskd", "keys": "pred", "output_dir": "@output_dir"},
            {
                "_target_": "monai_kd.data.SaveOverlayd",
                "_disabled_": "$not @overlays",
                "keys": "pred",
                "output_dir": "$@output_dir + '/overlays'",
            },
            {"_target_": "monai_kd.data.AsLabelMapd", "keys": "pred"},
        ),
    ),
    "inference_stock": inference_stock(
        SEGMENTATION,
        data="$[{'image': path} for path in @images]",
        postprocessing=parts.compose(
            *IN_THE_IMAGES_SIZE,
            LABEL_MAP,
            {
                "_target_": "SaveImaged",
                "keys": "pred",
                "output_dir": "@output_dir",
                "output_postfix": "",
                "output_ext": ".png",
                "output_dtype": "uint8",
                "scale": 255,
                "resample": False,
                "separate_folder": False,
                "print_log": False,
            },
        ),
    ),
}
