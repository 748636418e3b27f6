# SPDX-License-Identifier: Apache-2.0
"""What each bundle of the Model Zoo is given: a layout, sizes, and smaller values where a step would need a GPU."""

from __future__ import annotations

from zoo_data import (
    Case,
    clicks,
    datalist,
    four_channels,
    frames,
    images_and_labels,
    nothing,
    nuclei,
    numbered,
    pairs,
    pairs_apart,
    phases,
    slices,
    table,
)

__all__ = ["CASES", "case_of"]

SIDE = [64, 64, 64]
CUBE = (64, 64, 64)
WINDOWS = {"validate#inferer#roi_size": SIDE, "inferer#roi_size": SIDE}
FIRST = {"train#random_transforms#0#spatial_size": SIDE, "train#random_transforms#0#num_samples": 1, **WINDOWS}
ONE = {"train#dataloader#batch_size": 1}

CASES: dict[str, Case] = {
    "spleen_ct_segmentation": Case(pairs, spacing=(1.5, 1.5, 2.0), size=CUBE, smaller={**FIRST, **ONE}),
    "endoscopic_tool_segmentation": Case(
        frames,
        size=(480, 736),
        count=3,
        smaller={"train#dataloader#batch_size": 2, "validate#dataloader#batch_size": 2},
    ),
    "prostate_mri_anatomy": Case(
        table,
        size=CUBE,
        spacing=(0.5, 0.5, 0.5),
        classes=3,
        count=3,
        smaller={
            "train#random_transforms#6#spatial_size": SIDE,
            "train#random_transforms#6#num_samples": 1,
            **WINDOWS,
            **ONE,
        },
    ),
    "pediatric_abdominal_ct_segmentation": Case(
        datalist,
        size=CUBE,
        spacing=(1.5, 1.5, 3.0),
        classes=4,
        count=3,
        smaller={"train#random_transforms#0#num_samples": 1, "spatial_size": SIDE, "inferer#roi_size": SIDE},
    ),
    "pancreas_ct_dints_segmentation": Case(datalist, classes=3, count=3, smaller=ONE),
    "multi_organ_segmentation": Case(datalist, classes=8, count=3, smaller=ONE),
    "brats_mri_segmentation": Case(four_channels, size=CUBE, classes=4, count=3, smaller=WINDOWS),
    "swin_unetr_btcv_segmentation": Case(
        pairs, size=CUBE, spacing=(1.5, 1.5, 2.0), classes=14, smaller={**FIRST, **ONE}
    ),
    "wholeBody_ct_segmentation": Case(pairs, spacing=(1.5, 1.5, 1.5), classes=105, count=11, smaller={"batch_size": 1}),
    "renalStructures_UNEST_segmentation": Case(
        pairs_apart, classes=4, smaller={"train#random_transforms#0#num_samples": 1, **ONE}
    ),
    "renalStructures_CECT_segmentation": Case(
        phases,
        size=CUBE,
        spacing=(0.8, 0.8, 0.8),
        classes=7,
        count=2,
        smaller={
            "train#random_transforms#6#spatial_size": SIDE,
            "train#random_transforms#6#num_samples": 1,
            **WINDOWS,
        },
    ),
    "wholeBrainSeg_Large_UNEST_segmentation": Case(
        images_and_labels, classes=133, count=3, smaller={"validate#dataloader#batch_size": 1}
    ),
    "ventricular_short_axis_3label": Case(
        slices, size=(256, 256), classes=4, count=10, smaller={"num_iters": 2, "batch_size": 2, "num_substeps": 1}
    ),
    "segmentation_template": Case(numbered, size=(48, 48, 48), classes=4, count=5, smaller={"batch_size": 2}),
    "spleen_deepedit_annotation": Case(pairs, size=CUBE, dense=False),
    "pathology_nuclei_segmentation_classification": Case(nuclei, size=(256, 256), count=2, smaller={"batch_size": 2}),
    "pathology_nuclick_annotation": Case(
        clicks, size=(128, 128), count=3, smaller={**ONE, "validate#dataloader#batch_size": 1}
    ),
    **{
        name: Case(nothing, dense=False)
        for name in (
            "breast_density_classification",
            "classification_template",
            "endoscopic_inbody_classification",
            "lung_nodule_ct_detection",
            "mednist_gan",
            "mednist_reg",
            "pathology_nuclei_classification",
            "pathology_tumor_detection",
            "retinalOCT_RPD_segmentation",
            "valve_landmarks",
            "vista2d",
            "vista3d",
        )
    },
}


def case_of(name: str) -> Case:
    """
    The case of a bundle.

    Args:
        name: its folder's; one that is not of the Zoo has pairs of small volumes.
    """
    return CASES.get(name, Case(pairs, size=(48, 48, 48), spacing=(1.5, 1.5, 2.0), count=4))
