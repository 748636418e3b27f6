# SPDX-License-Identifier: Apache-2.0
"""
Distillation losses: ``loss(student, teacher) -> scalar``.

A loss sums over the axis of a distribution and averages over all other axes. No gradient flows into the teacher. Losses
take 2D and 3D and run in full precision under autocast. ``torch.nn.MSELoss``, ``torch.nn.L1Loss`` and MONAI's losses
work as they are.
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
