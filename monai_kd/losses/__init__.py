# SPDX-License-Identifier: Apache-2.0
"""
Distillation losses: ``loss(student, teacher) -> scalar``.

Summed over the axis that is a distribution, averaged over everything else; no gradient flows into the teacher;
computed in full precision under autocast; 2D and 3D. ``torch.nn.MSELoss``, ``torch.nn.L1Loss`` and MONAI's losses
serve as they stand.

============================  ==============================================  =========================================
Loss                          Compares                                        Source
============================  ==============================================  =========================================
``LogitsKLLoss``              class probabilities, by KL divergence           Hinton 2015; KLD of Behboodi 2025
``LogitsMSELoss``             raw logits, by squared difference               Ba and Caruana 2014; MSE of Behboodi 2025
``LogitsBCELoss``             channel probabilities, by binary cross-entropy  Owen 2021
``HiddenKLLoss``              hidden features by softmax, by KL divergence    KLD on hidden features of Behboodi 2025
``RegionAffinityLoss``        cosines between the classes' mean vectors       EMKD: Qin 2021
``MaskedGenerationLoss``      features generated from a masked student's own  MGD: Yang 2022
``CrossImageRelationLoss``    cosines between the batch's pixels, by KL       CIRKD: Yang 2022, mini-batch
============================  ==============================================  =========================================
"""

from monai_kd.losses.cross_image_relation import CrossImageRelationLoss
from monai_kd.losses.hidden_kl import HiddenKLLoss
from monai_kd.losses.logits_bce import LogitsBCELoss
from monai_kd.losses.logits_kl import LogitsKLLoss
from monai_kd.losses.logits_mse import LogitsMSELoss
from monai_kd.losses.masked_generation import MaskedGenerationLoss
from monai_kd.losses.region_affinity import RegionAffinityLoss

__all__ = [
    "CrossImageRelationLoss",
    "HiddenKLLoss",
    "LogitsBCELoss",
    "LogitsKLLoss",
    "LogitsMSELoss",
    "MaskedGenerationLoss",
    "RegionAffinityLoss",
]
