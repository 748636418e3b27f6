# SPDX-License-Identifier: Apache-2.0
"""The configs of breast_ultrasound_classification, by file name."""

from bundles.source.classification.evaluate import EVALUATIONS
from bundles.source.classification.metadata import METADATA
from bundles.source.classification.overlays import OVERLAYS
from bundles.source.classification.train import TRAININGS

CONFIGS = {**TRAININGS, **EVALUATIONS, **OVERLAYS, "metadata": METADATA}
