# SPDX-License-Identifier: Apache-2.0
"""Dice between a prediction and the annotator's correction of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from monai.metrics import compute_dice
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.scoring import ScoringMethod

from monai_kd.data.image_files.reading import read_mask

__all__ = ["Dice"]

logger = logging.getLogger(__name__)


class Dice(ScoringMethod):
    """
    Dice between the annotator's label (``final``) and the saved prediction (``original``), noted on the prediction.
    """

    def __init__(self) -> None:
        super().__init__("Dice of the saved predictions against the final labels")

    def missing(self, datastore: Datastore) -> list[str]:
        """Ids of images without a Dice of their current labels."""
        final, original = DefaultLabelTag.FINAL.value, DefaultLabelTag.ORIGINAL.value
        images = [i for i in datastore.get_labeled_images() if datastore.get_label_by_image_id(i, original)]
        times = {i: [datastore.get_label_info(i, tag).get("ts") for tag in (final, original)] for i in images}
        return [i for i in images if datastore.get_label_info(i, original).get("dice_ts") != times[i]]

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score the images that have both labels."""
        final, original = DefaultLabelTag.FINAL.value, DefaultLabelTag.ORIGINAL.value
        scores: dict[str, float | None] = {}
        dice: float | None
        for image in self.missing(datastore):
            try:
                predicted, label = (read_mask(datastore.get_label_uri(image, tag))[None] for tag in (original, final))
                dice = float(compute_dice(predicted, label, include_background=True, ignore_empty=False))
            except (ValueError, OSError, HTTPException) as error:  # a label that was copied there by hand
                logger.warning("No Dice of %s: %s", image, error)
                dice = None
            times = [datastore.get_label_info(image, tag).get("ts") for tag in (final, original)]
            datastore.update_label_info(image, original, {"dice": dice, "dice_ts": times})
            scores[image] = dice
        return {"dice": scores}
