# SPDX-License-Identifier: Apache-2.0
"""
Distillation losses: ``loss(student, teacher) -> scalar``.

A loss sums over the axis of a distribution and averages over all other axes. No gradient flows into the teacher. Losses
take 2D and 3D and run in full precision under autocast. ``torch.nn.MSELoss``, ``torch.nn.L1Loss`` and MONAI's losses
work as they are.
Loss                           Compares                                         Source
=============================  ===============================================  =======================================
``LogitsKLLoss``               class probabilities, by KL divergence            Hinton 2015; KLD of Behboodi 2025
``LogitsMSELoss``              raw logits, by squared difference                Ba and Caruana 2014; Behboodi 2025, MSE
``LogitsBCELoss``              channel probabilities, by binary cross-entropy   Owen 2021
``SoftLabelBCELoss``           the label, else teacher probabilities, by BCE    Owen 2021, some images unlabelled
``SoftDiceLoss``               class probabilities, by soft Dice                Milletari 2016, with a teacher's answer
``HiddenKLLoss``               softmax of hidden features, by KL divergence     KLD on hidden features of Behboodi 2025
``AttentionTransferLoss``      where features are active, over all channels     AT: Zagoruyko and Komodakis 2017
``GradientAttentionLoss``      gradients of the task loss w.r.t. the image      AT by gradients: Zagoruyko 2017
``SimilarityPreservingLoss``   similarities between the samples of a batch      SP: Tung and Mori 2019
``PairwiseAffinityLoss``       cosines between regions of one image             Liu 2019, pair-wise
``RelationalLoss``             distances and angles between samples             RKD: Park 2019
``ChannelWiseLoss``            where each channel is active, by KL divergence   CWD: Shu 2021
``RegionAffinityLoss``         cosines between the classes' mean vectors        EMKD: Qin 2021
``MaskedGenerationLoss``       features generated from masked student features  MGD: Yang 2022
``CrossImageRelationLoss``     cosines between pixels of the batch, by KL       CIRKD: Yang 2022, mini-batch
``MemoryRelationLoss``         cosines with stored pixels and regions, by KL    CIRKD: Yang 2022, memory
``ReviewLoss``                 features fused from deep levels to shallow ones  ReviewKD: Chen 2021
``DecoupledLogitsLoss``        target class, and all other classes, by KL       DKD: Zhao 2022
``LogitsCorrelationLoss``      class probabilities, by Pearson's correlation    DIST: Huang 2022
``IntraClassVariationLoss``    cosines to the mean vector of the same class     IFVD: Wang 2020
``FlowOfSolutionLoss``         products of consecutive layers' features         FSP: Yim 2017
``AffinityLoss``               cosines between positions of one image           He 2019, affinity distillation
``LatentAdaptationLoss``       directions of a feature and a teacher's code     He 2019, knowledge adaptation
``FeatureReconstructionLoss``  a teacher's feature and its reconstruction       He 2019, stage one
``LayerwiseL1Loss``            all layers, by mean absolute difference          Vaze 2020
``NoiseAdaptationLoss``        noisy labels, with a learned error matrix        NF-Net: Cao 2020
=============================  ===============================================  =======================================
=======
"""

# One line a loss. The names that are exported and the table of ``help(monai_kd.losses)`` follow from these lines.
from monai_kd.losses.features.affinity import AffinityLoss as AffinityLoss
from monai_kd.losses.features.attention_transfer import AttentionTransferLoss as AttentionTransferLoss
from monai_kd.losses.features.channel_wise import ChannelWiseLoss as ChannelWiseLoss
from monai_kd.losses.features.feature_reconstruction import FeatureReconstructionLoss as FeatureReconstructionLoss
from monai_kd.losses.features.flow_of_solution import FlowOfSolutionLoss as FlowOfSolutionLoss
from monai_kd.losses.features.gradient_attention import GradientAttentionLoss as GradientAttentionLoss
from monai_kd.losses.features.hidden_kl import HiddenKLLoss as HiddenKLLoss
from monai_kd.losses.features.latent_adaptation import LatentAdaptationLoss as LatentAdaptationLoss
from monai_kd.losses.features.layerwise_l1 import LayerwiseL1Loss as LayerwiseL1Loss
from monai_kd.losses.features.masked_generation import MaskedGenerationLoss as MaskedGenerationLoss
from monai_kd.losses.features.pearson import FeaturePearsonLoss as FeaturePearsonLoss
from monai_kd.losses.features.review import ReviewLoss as ReviewLoss
from monai_kd.losses.features.variational_information import VariationalInformationLoss as VariationalInformationLoss
from monai_kd.losses.logits.binary_cross_entropy import LogitsBCELoss as LogitsBCELoss
from monai_kd.losses.logits.correlation import LogitsCorrelationLoss as LogitsCorrelationLoss
from monai_kd.losses.logits.decoupled import DecoupledLogitsLoss as DecoupledLogitsLoss
from monai_kd.losses.logits.kullback_leibler import LogitsKLLoss as LogitsKLLoss
from monai_kd.losses.logits.mean_squared_error import LogitsMSELoss as LogitsMSELoss
from monai_kd.losses.logits.noise_adaptation import NoiseAdaptationLoss as NoiseAdaptationLoss
from monai_kd.losses.logits.soft_dice import SoftDiceLoss as SoftDiceLoss
from monai_kd.losses.logits.soft_label_bce import SoftLabelBCELoss as SoftLabelBCELoss
from monai_kd.losses.logits.standardized import StandardizedKLLoss as StandardizedKLLoss
from monai_kd.losses.parts.loss_table import loss_table as _loss_table
from monai_kd.losses.relations.contrastive import ContrastiveRepresentationLoss as ContrastiveRepresentationLoss
from monai_kd.losses.relations.cross_image_relation import CrossImageRelationLoss as CrossImageRelationLoss
from monai_kd.losses.relations.intra_class_variation import IntraClassVariationLoss as IntraClassVariationLoss
from monai_kd.losses.relations.memory_relation import MemoryRelationLoss as MemoryRelationLoss
from monai_kd.losses.relations.pairwise_affinity import PairwiseAffinityLoss as PairwiseAffinityLoss
from monai_kd.losses.relations.region_affinity import RegionAffinityLoss as RegionAffinityLoss
from monai_kd.losses.relations.relational import RelationalLoss as RelationalLoss
from monai_kd.losses.relations.similarity_preserving import SimilarityPreservingLoss as SimilarityPreservingLoss
from monai_kd.utils.exports import exported as _exported

__all__ = _exported(globals())
__doc__ = f"{__doc__}\n{_loss_table([globals()[name] for name in __all__])}"
