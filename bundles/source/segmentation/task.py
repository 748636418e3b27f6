# SPDX-License-Identifier: Apache-2.0
"""What is special in the configs of breast_ultrasound_segmentation."""

from bundles.source.shared import parts
from bundles.source.shared.task import Config, Task

STUDENT_UNET = {
    "_target_": "monai_kd.networks.StudentUNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "channels": "@student_channels",
}
STUDENT = {"student_channels": [16, 32, 48, 80, 128], "network_def": STUDENT_UNET}


def pretrained_unet(pretrained: bool, **mode: str) -> Config:
    return {
        "_target_": "monai_kd.networks.PretrainedUNet",
        **mode,
        "in_channels": 1,
        "out_channels": 2,
        "backbone": "efficientnet-lite0",
        "pretrained": pretrained,
    }


TEACHER = pretrained_unet(False)  # its checkpoint is loaded
ONE_HOT = {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": 2}
MEAN_DICE = {"_target_": "MeanDice", "include_background": False, **parts.PREDICTED}

SEGMENTATION = Task(
    bundle="breast_ultrasound_segmentation",
    keys=["image", "label"],
    modes=["bilinear", "nearest"],
    student=STUDENT,
    check="$monai_kd.networks.check_network({}, @spatial_size)",
    resume="$@train#dataset#data is None",
    given=", given={'training': @train#dataset#data, 'validation': @validate#dataset#data}",
    loss={
        "loss": {
            "_target_": "DiceCELoss",
            "softmax": True,
            "to_onehot_y": True,
            "include_background": False,
            "batch": True,
        }
    },
    dataset={"data": None},
    postprocessing=parts.compose(ONE_HOT),
    key_metric={"val_mean_dice": MEAN_DICE},
)
