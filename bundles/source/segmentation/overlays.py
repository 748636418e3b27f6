# SPDX-License-Identifier: Apache-2.0
"""The overlays of both bundles, and those of this bundle that share a part with another config."""

from bundles.source.segmentation.evaluate import EVALUATIONS
from bundles.source.segmentation.methods import METHODS, SEPARABLE
from bundles.source.segmentation.task import STUDENT_UNET, TEACHER, pretrained_unet
from bundles.source.shared import parts
from bundles.source.shared.methods import logits_kl, pathways
from bundles.source.shared.overlays import OF_BOTH, multi_gpu_train, teacher
from bundles.source.shared.task import Config
from bundles.source.shared.views import ALIGNED, WHOLE, cached, few_labels, overlap, patient


def several_teachers(count: int) -> Config:
    return {
        "teacher_checkpoint": [parts.model(f"teacher_{number}") for number in range(count)],
        "teacher_files": "$monai.utils.ensure_tuple(@teacher_checkpoint)",
        "teacher_member": pretrained_unet(False, _mode_="callable"),
        "recorded#teacher_def": None,
        "recorded#teacher_member": "@teacher_files",
    }


MEMBERS = {"members": "$[@teacher_member() for _ in @teacher_files]"}
SETTINGS = {"settings#teacher": "$[os.path.abspath(file) for file in @teacher_files] + [repr(@teacher_def)]"}
LOAD_MEMBERS = {
    "run#0": "$[monai_kd.load_weights(member, file) "
    "for member, file in zip(@teacher_def.members, @teacher_files, strict=True)]"
}
TEACHERS = {
    "teachers/student": {"teacher_def": STUDENT_UNET},
    "teachers/imagenet": {
        "teacher_def": pretrained_unet(True),
        **parts.NO_TEACHER_CHECKPOINT,
        "settings#teacher": "$'ImageNet weights of ' + @teacher_def#backbone",
        "run": [*parts.CHECK_IMAGES, parts.RUN],
    },
    "teachers/ensemble": {
        **several_teachers(2),
        "teacher_def": {"_target_": "monai_kd.networks.Ensemble", **MEMBERS},
        **SETTINGS,
        **LOAD_MEMBERS,
    },
    "teachers/out_of_fold": {
        "label_folds": 3,
        **several_teachers(3),
        "teacher_def": {"_target_": "monai_kd.networks.OutOfFoldEnsemble", **MEMBERS, "folds": "@label_folds"},
        "views#_target_": "monai_kd.engines.PrepareBatchOutOfFold",
        "views#fold_of": "$monai_kd.data.label_folds(@train#dataset.data, @label_folds)",
        **SETTINGS,
        "initialize#7": "$monai_kd.networks.check_network(@teacher_def, @spatial_size, in_channels=2)",
        **LOAD_MEMBERS,
        "run#1": "$monai_kd.bundle.require_out_of_fold(@teacher_files, @train#dataset.data, @views#fold_of)",
    },
}


def target(transforms: str) -> Config:
    """The ids of the images of another scanner."""
    return {
        "target_dir": "$@bundle_root + '/data/target'",
        "target_layout": None,
        "target_split_file": None,
        "inputs#target_dir": "@target_dir",
        "inputs#target_split_file": "@target_split_file",
        "target_split": parts.choose_split(transforms, folder="target_dir", prefix="target_"),
    }


def of_target(dataset: str) -> Config:
    return {
        f"{dataset}#root": "@target_dir",
        f"{dataset}#layout": "@target_layout",
        f"{dataset}#split": "@target_split",
    }


ADAPTATION = {
    "adaptation/target": {**target("preprocessing"), **of_target("dataset")},
    "adaptation/target_labels": {
        **target("deterministic_transforms"),
        **of_target("train#dataset"),
        **of_target("validate#dataset"),
        "settings#target images": "@target_split",
    },
    "adaptation/trajectory": {
        **target("deterministic_transforms"),
        "target_ids": "$@target_split['training']",
        "trajectory": {
            "_target_": "monai_kd.handlers.TrajectoryHandler",
            "network": "@network",
            "target": {
                "_target_": "monai_kd.data.UnlabelledDataset",
                "root": "@target_dir",
                "ids": "@target_ids",
                "transform": "@train#preprocessing",
                "cache_rate": 1.0,
                "num_workers": 2,
                "progress": False,
            },
            "head": "head",
            "self_layers": ["decoder"],
            "most": 100,
            "loss_function": "@loss",
        },
        "resumed#trajectory": "@trajectory",
        "settings#target images": "@target_ids",
        "settings#trajectory": "$repr(@trajectory)",
        "+further_handlers": ["@trajectory"],
    },
}
BOXES = {
    "teacher_cache": None,
    "box_jitter": 4.0,
    "teacher_def": {
        "_target_": "monai_kd.networks.PromptedTeacher",
        "network": {"_target_": "monai_kd.networks.LiteMedSAM"},
        "jitter": "@box_jitter",
    },
    "supervised_weight": 0.0,
    **pathways(logits=logits_kl(2.0, 1.0), overlap=overlap(1.0)),
    **cached("@teacher_def", [""]),
    **parts.NO_TEACHER_CHECKPOINT,
    "settings#teacher": "$repr([@teacher_def.jitter, type(@teacher_def.network).__name__])",
    "initialize": [*parts.BEGIN, "$@network_def", "$monai_kd.networks.check_network(@network_def, @spatial_size)"],
    "run": [*parts.CHECK_IMAGES, parts.RUN],
    **patient(**WHOLE, **ALIGNED, prompt=True),
}


def saving(transform: str) -> str:
    """The id of a step of the inference that writes files."""
    steps = EVALUATIONS["inference"]["postprocessing"]["transforms"]
    number = next(i for i, step in enumerate(steps) if step["_target_"] == f"monai_kd.data.{transform}")
    return f"postprocessing#transforms#{number}"


# The network does not run on an image to which the result could not refer.
DICOM_ALONE = {"+preprocessing#transforms": [{"_target_": "monai_kd.data.RequireDicomSourced", "keys": "image"}]}
OF_INFERENCE = {
    "dicom_pictures": {
        "overlays": True,
        f"{saving('SaveOverlayd')}#_target_": "monai_kd.data.SaveSecondaryCaptured",
        **DICOM_ALONE,
    },
    "dicom_segmentation": {
        "segments": None,
        f"{saving('SaveMaskd')}#_disabled_": True,
        "dicom_segmentation": {
            "_target_": "monai_kd.handlers.DicomSegmentationHandler",
            "output_dir": "@output_dir",
            "checkpoint": "@checkpoint",
            "segments": "@segments",
            "parameters": {},
        },
        "+handlers": ["@dicom_segmentation"],
        **DICOM_ALONE,
    },
    "smooth_frames": {
        "smooth_frames": 3,
        "inferer#_target_": "monai_kd.engines.TemporalSmoothingInferer",
        "inferer#frames": "@smooth_frames",
    },
}

OVERLAYS = {
    **OF_BOTH,
    **OF_INFERENCE,
    **METHODS,
    **TEACHERS,
    **ADAPTATION,
    "multi_gpu_train": multi_gpu_train({}),
    "networks/separable": SEPARABLE,
    "recipes/boxes": BOXES,
    "recipes/few_labels": few_labels(overlap=overlap(0.7)),
    "teacher": teacher({"teacher_def": TEACHER, "network_def": "@teacher_def"}),
}
