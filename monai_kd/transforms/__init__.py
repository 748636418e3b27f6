# SPDX-License-Identifier: Apache-2.0
"""
Transforms that MONAI lacks.

=========================== ============================================================================
transform                   what it does
=========================== ============================================================================
``CropMargins``             cuts an image down to its ultrasound picture; ``CropMarginsd`` for dictionaries
``scan_area``               finds the ultrasound picture between margins, text and scale bars
``RandPixelDropout``        sets random pixels to one value; ``RandPixelDropoutd`` for dictionaries
``NnUnetPreprocessd``       what nnU-Net does to a case before its network sees it
``SelectClassesd``          keeps a few classes of a label, and joins the others into the background
``before_random``           a chain of transforms with further steps before its first random one
``LabelNoised``             gives a share of the training images a wrong class, for experiments
``class_mix``               pastes the objects of one batch onto another (ClassMix)
``mix_up``                  mixes the images of a batch with one another (mixup)
``View``                    augments a whole batch on the device, with random numbers for each sample
``BatchRandAffine``         MONAI's ``RandAffine`` for a view
``BatchRandFlip``           MONAI's ``RandFlip`` for a view
``BatchRandScaleCrop``      MONAI's ``RandScaleCrop`` and ``Resize`` for a view
``BatchRandGaussianNoise``  MONAI's ``RandGaussianNoise`` for a view
``BatchRandPixelDropout``   ``RandPixelDropout`` for a view
``BatchRandScaleIntensity`` MONAI's ``RandScaleIntensity`` for a view
``BatchRandShiftIntensity`` MONAI's ``RandShiftIntensity`` for a view
``geometry``                affine geometry of a batch: compose, invert, warp, inside
``alignment``               moves features of one view onto the grid of another
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
from monai_kd.transforms.nnunet.even_windows import EvenWindowInferer
from monai_kd.transforms.nnunet.preprocessing import NnUnetPreprocessd
from monai_kd.transforms.pixel_dropout import RandPixelDropout, RandPixelDropoutd
from monai_kd.transforms.select_classes import SelectClassesd, before_random
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
    "EvenWindowInferer",
    "LabelNoised",
    "NnUnetPreprocessd",
    "RandPixelDropout",
    "RandPixelDropoutd",
    "SelectClassesd",
    "View",
    "alignment",
    "before_random",
    "class_mix",
    "geometry",
    "mix_logits",
    "mix_up",
    "scan_area",
]
