# SPDX-License-Identifier: Apache-2.0
"""
Networks of this project: the student, what joins teachers, adapters that bring features to one shape, and
discriminators.
"""

from monai_kd.networks.adapters.channel_adapter import ChannelAdapter
from monai_kd.networks.adapters.convolution_adapter import ConvolutionAdapter
from monai_kd.networks.adapters.feature_autoencoder import FeatureAutoencoder
from monai_kd.networks.adapters.feature_regressor import FeatureRegressor
from monai_kd.networks.adapters.rearranging import ChannelsFirst, TokensToMap
from monai_kd.networks.check import check_classifier, check_network
from monai_kd.networks.discriminators.logits_discriminator import LogitsDiscriminator
from monai_kd.networks.discriminators.patch_logits_discriminator import PatchLogitsDiscriminator
from monai_kd.networks.discriminators.self_attention import SelfAttention
from monai_kd.networks.discriminators.self_attention_discriminator import SelfAttentionDiscriminator
from monai_kd.networks.fake_quantized import FakeQuantized
from monai_kd.networks.layers import Layers, layers_of
from monai_kd.networks.pretrained.efficientnet_lite import EfficientNetLiteEncoder
from monai_kd.networks.pretrained.lite_medsam import LiteMedSAM
from monai_kd.networks.pretrained.pretrained_classifier import PretrainedClassifier
from monai_kd.networks.pretrained.pretrained_unet import PretrainedUNet
from monai_kd.networks.separable_unet import SeparableUNet
from monai_kd.networks.student_unet import StudentUNet
from monai_kd.networks.teachers.class_subset import ClassSubset
from monai_kd.networks.teachers.ensemble import Ensemble
from monai_kd.networks.teachers.flip_average import FlipAverage
from monai_kd.networks.teachers.out_of_fold import OutOfFoldEnsemble
from monai_kd.networks.teachers.prompted_teacher import PromptedTeacher

__all__ = [
    "ChannelAdapter",
    "ChannelsFirst",
    "ClassSubset",
    "ConvolutionAdapter",
    "EfficientNetLiteEncoder",
    "Ensemble",
    "FakeQuantized",
    "FeatureAutoencoder",
    "FeatureRegressor",
    "FlipAverage",
    "Layers",
    "LiteMedSAM",
    "LogitsDiscriminator",
    "OutOfFoldEnsemble",
    "PatchLogitsDiscriminator",
    "PretrainedClassifier",
    "PretrainedUNet",
    "PromptedTeacher",
    "SelfAttention",
    "SelfAttentionDiscriminator",
    "SeparableUNet",
    "StudentUNet",
    "TokensToMap",
    "check_classifier",
    "check_network",
    "layers_of",
]
