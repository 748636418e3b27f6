# SPDX-License-Identifier: Apache-2.0
"""Handlers for MONAI's and ignite's engines."""

from monai_kd.handlers.feature_hooks import FeatureHookHandler

__all__ = ["FeatureHookHandler"]
