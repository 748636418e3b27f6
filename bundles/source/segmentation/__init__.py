# SPDX-License-Identifier: Apache-2.0
"""The configs of breast_ultrasound_segmentation, by file name."""

from bundles.source.segmentation.evaluate import EVALUATIONS
from bundles.source.segmentation.metadata import METADATA
from bundles.source.segmentation.overlays import OVERLAYS
from bundles.source.segmentation.train import TRAININGS

CONFIGS = {**TRAININGS, **EVALUATIONS, **OVERLAYS, "metadata": METADATA}
