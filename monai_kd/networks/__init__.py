# SPDX-License-Identifier: Apache-2.0
"""Networks of this project: the student, an ensemble of teachers, and adapters that bring features to a teacher's shape."""

from monai_kd.networks.channel_adapter import ChannelAdapter
from monai_kd.networks.check import check_network
from monai_kd.networks.ensemble import Ensemble
from monai_kd.networks.feature_regressor import FeatureRegressor
from monai_kd.networks.student_unet import StudentUNet

__all__ = ["ChannelAdapter", "Ensemble", "FeatureRegressor", "StudentUNet", "check_network"]
