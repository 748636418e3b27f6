# SPDX-License-Identifier: Apache-2.0
"""
Transforms that MONAI lacks.

=========================== ============================================================================
transform                   what it does
=========================== ============================================================================
``CropMargins``             cuts an image down to its ultrasound picture; ``CropMarginsd`` for dictionaries
``scan_area``               where an image is picture, and not margin, text or scale bar
``RandPixelDropout``        sets random pixels to one value; ``RandPixelDropoutd`` for dictionaries
``NnUnetPreprocessd``       what nnU-Net does to a case before its network sees it
``LabelNoised``             gives a share of the training images a wrong class, for experiments
``class_mix``               objects of one batch pasted onto another
``mix_up``                  images of one batch mixed with one another
``View``                    how a network sees a whole batch, drawn for each sample, on the device
``BatchRandAffine``         MONAI's ``RandAffine`` in a view
``BatchRandFlip``           MONAI's ``RandFlip`` in a view
``BatchRandScaleCrop``      MONAI's ``RandScaleCrop`` and ``Resize`` in a view
``BatchRandGaussianNoise``  MONAI's ``RandGaussianNoise`` in a view
``BatchRandPixelDropout``   ``RandPixelDropout`` in a view
``BatchRandScaleIntensity`` MONAI's ``RandScaleIntensity`` in a view
``BatchRandShiftIntensity`` MONAI's ``RandShiftIntensity`` in a view
``geometry``                the affine geometry of a batch: compose, invert, warp, inside
``alignment``               features of one view moved onto the grid of another
=========================== ============================================================================
"""

from __future__ import annotations

from monai_kd.transforms import alignment, geometry
from monai_kd.transforms.batch_geometry import BatchRandAffine, BatchRandFlip, BatchRandScaleCrop
from monai_kd.transforms.batch_intensity import (
    BatchRandGaussianNoise,
    BatchRandPixelDropout,
    BatchRandScaleIntensity,
    BatchRandShiftIntensity,
)
from monai_kd.transforms.class_mix import class_mix
from monai_kd.transforms.crop_margins import CropMargins, CropMarginsd, scan_area
from monai_kd.transforms.label_noise import LabelNoised
from monai_kd.transforms.mix_up import mix_logits, mix_up
from monai_kd.transforms.nnunet.preprocessing import NnUnetPreprocessd
from monai_kd.transforms.pixel_dropout import RandPixelDropout, RandPixelDropoutd
from monai_kd.transforms.view import View

__all__ = [
    "BatchRandAffine",
    "BatchRandFlip",
    "BatchRandGaussianNoise",
    "BatchRandPixelDropout",
    "BatchRandScaleCrop",
    "BatchRandScaleIntensity",
    "BatchRandShiftIntensity",
    "CropMargins",
    "CropMarginsd",
    "LabelNoised",
    "NnUnetPreprocessd",
    "RandPixelDropout",
    "RandPixelDropoutd",
    "View",
    "alignment",
    "class_mix",
    "geometry",
    "mix_logits",
    "mix_up",
    "scan_area",
]
