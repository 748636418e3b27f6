# SPDX-License-Identifier: Apache-2.0
"""The text that every config file should have."""

import json
from pathlib import Path

from bundles.source import classification, segmentation
from bundles.source.layout import laid_out
from bundles.source.shared.logging_conf import LOGGING

BUNDLES = Path(__file__).parents[1]
SOURCES = {
    "breast_ultrasound_segmentation": segmentation.CONFIGS,
    "breast_ultrasound_classification": classification.CONFIGS,
}


def from_source() -> dict[Path, str]:
    """The configs that are made from the source."""
    texts: dict[Path, str] = {}
    for bundle, configs in SOURCES.items():
        folder = BUNDLES / bundle / "configs"
        texts |= {folder / f"{name}.json": laid_out(config) for name, config in configs.items()}
        texts[folder / "logging.conf"] = LOGGING
    return texts


def by_hand() -> dict[Path, str]:
    """The configs that are written by hand, in the common layout."""
    files = set(BUNDLES.glob("*/configs/**/*.json")) - set(from_source())
    return {file: laid_out(json.loads(file.read_text(encoding="utf-8"))) for file in files}


def outdated() -> dict[Path, str]:
    """The files that are missing or differ, with the text that they should have."""
    texts = {**from_source(), **by_hand()}
    return {file: text for file, text in texts.items() if not file.is_file() or file.read_text("utf-8") != text}
