# SPDX-License-Identifier: Apache-2.0
"""Networks of this project: the student, what joins teachers, and adapters that bring features to one shape."""

from monai_kd.networks.channel_adapter import ChannelAdapter
from monai_kd.networks.check import check_classifier, check_network
from monai_kd.networks.convolution_adapter import ConvolutionAdapter
from monai_kd.networks.ensemble import Ensemble
from monai_kd.networks.feature_autoencoder import FeatureAutoencoder
from monai_kd.networks.feature_regressor import FeatureRegressor
from monai_kd.networks.separable_unet import SeparableUNet
from monai_kd.networks.student_unet import StudentUNet

__all__ = [
    "ChannelAdapter",
    "ConvolutionAdapter",
    "Ensemble",
    "FeatureAutoencoder",
    "FeatureRegressor",
    "SeparableUNet",
    "StudentUNet",
    "check_classifier",
    "check_network",
]
