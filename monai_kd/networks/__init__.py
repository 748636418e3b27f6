# SPDX-License-Identifier: Apache-2.0
"""
Students, pre-trained teachers, teachers made of several networks, feature adapters, and discriminators.
"""

# One line a class; `__all__` follows from these lines.
from monai_kd.networks.adapters.channel_adapter import ChannelAdapter as ChannelAdapter
from monai_kd.networks.adapters.convolution_adapter import ConvolutionAdapter as ConvolutionAdapter
from monai_kd.networks.adapters.feature_autoencoder import FeatureAutoencoder as FeatureAutoencoder
from monai_kd.networks.adapters.feature_regressor import FeatureRegressor as FeatureRegressor
from monai_kd.networks.adapters.rearranging import ChannelsFirst as ChannelsFirst
from monai_kd.networks.adapters.rearranging import TokensToMap as TokensToMap
from monai_kd.networks.discriminators.logits_discriminator import LogitsDiscriminator as LogitsDiscriminator
from monai_kd.networks.discriminators.patch_logits_discriminator import (
    PatchLogitsDiscriminator as PatchLogitsDiscriminator,
)
from monai_kd.networks.discriminators.self_attention import SelfAttention as SelfAttention
from monai_kd.networks.discriminators.self_attention_discriminator import (
    SelfAttentionDiscriminator as SelfAttentionDiscriminator,
)
from monai_kd.networks.fake_quantized import FakeQuantized as FakeQuantized
from monai_kd.networks.layers import Layers as Layers
from monai_kd.networks.layers import layers_of as layers_of
from monai_kd.networks.output_checks import check_classifier as check_classifier
from monai_kd.networks.output_checks import check_network as check_network
from monai_kd.networks.plan_strides import plan_strides as plan_strides
from monai_kd.networks.pretrained.efficientnet_lite import EfficientNetLiteEncoder as EfficientNetLiteEncoder
from monai_kd.networks.pretrained.lite_medsam import LiteMedSAM as LiteMedSAM
from monai_kd.networks.pretrained.pretrained_classifier import PretrainedClassifier as PretrainedClassifier
from monai_kd.networks.pretrained.pretrained_unet import PretrainedUNet as PretrainedUNet
from monai_kd.networks.separable_unet import SeparableUNet as SeparableUNet
from monai_kd.networks.student_unet import StudentUNet as StudentUNet
from monai_kd.networks.teachers.class_subset import ClassSubset as ClassSubset
from monai_kd.networks.teachers.ensemble import Ensemble as Ensemble
from monai_kd.networks.teachers.flip_average import FlipAverage as FlipAverage
from monai_kd.networks.teachers.out_of_fold import OutOfFoldEnsemble as OutOfFoldEnsemble
from monai_kd.networks.teachers.prompted_teacher import PromptedTeacher as PromptedTeacher
from monai_kd.utils.exports import exported as _exported

__all__ = _exported(globals())
