# SPDX-License-Identifier: Apache-2.0
"""Active learning: the image on which student and teacher disagree most is labelled next."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from typing import Any

import torch
from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from monai_kd.label.infer import BundleInfer
from monai_kd.label.requests.devices import chosen_device
from monai_kd.label.requests.notes import SCORE, SCORED_BY, shown_at

__all__ = ["Disagreement", "MostDisagreement", "disagreement"]

logger = logging.getLogger(__name__)


def disagreement(student: torch.Tensor, teacher: torch.Tensor) -> float:
    """
    Soft Dice distance of two probability maps of one shape, 1 − (2 Σ s t + 1) / (Σ s² + Σ t² + 1).

    It is 0 where they are equal, and near 1 where only one finds a lesion or each finds another one. The 1, of a pixel,
    makes it 0 where neither finds a lesion.

    Example:
        >>> both, none = torch.ones(40, 30), torch.zeros(40, 30)
        >>> disagreement(both, both), disagreement(none, none), round(disagreement(both, none), 3)
        (0.0, 0.0, 0.999)
    """
    student, teacher = student.double(), teacher.double()
    overlap = 2 * (student * teacher).sum() + 1
    return float(1 - overlap / ((student**2).sum() + (teacher**2).sum() + 1))


class Disagreement(ScoringMethod):
    """Scores every image without a final label, and keeps the score in the study until a network changes."""

    def __init__(self, student: BundleInfer, teacher: BundleInfer) -> None:
        super().__init__("How far student and teacher are apart on each unlabelled image")
        self.student = student
        self.teacher = teacher

    def missing(self, datastore: Datastore) -> list[str]:
        """Ids of images without a score of the current networks; none while a network is missing."""
        if not (self.student.is_valid() and self.teacher.is_valid()):
            return []
        images = datastore.get_unlabeled_images()
        return [image for image in images if datastore.get_image_info(image).get(SCORED_BY) != self._networks()]

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score all images; one that cannot be read is named in the log, and gets 0."""
        device = chosen_device(request)
        missing = self.missing(datastore)
        for index, image in enumerate(missing):
            try:
                path = datastore.get_image_uri(image)
                value = disagreement(*(task.probability(path, device) for task in (self.student, self.teacher)))
            except (ValueError, OSError, HTTPException) as error:
                logger.warning("No score for %s: %s", image, error)
                value = 0.0
            datastore.update_image_info(image, {SCORE: value, SCORED_BY: self._networks()})
            logger.info("Disagreement %d of %d: %s", index + 1, len(missing), image)
        return {"images": len(missing)}

    def _networks(self) -> str:
        return "-".join(str(task.weights.stat().st_mtime_ns) for task in (self.student, self.teacher))


class MostDisagreement(Strategy):
    """
    The unlabelled image with the highest score among those shown least recently; a random one if none has a score.

    Example:
        ``POST /activelearning/disagreement``
    """

    def __init__(self) -> None:
        super().__init__("Where student and teacher disagree most")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The image's id; None when everything is labelled."""
        infos = {image: datastore.get_image_info(image) for image in datastore.get_unlabeled_images()}
        if not infos:
            return None
        shown = {image: shown_at(info, request["strategy"]) for image, info in infos.items()}
        # An image that was shown but not labelled was skipped: it comes again after all others.
        waiting = [image for image in infos if shown[image] == min(shown.values())]
        scored = [image for image in waiting if SCORE in infos[image]]
        chosen = max(scored, key=lambda image: infos[image][SCORE]) if scored else random.choice(waiting)
        return {"id": chosen, "weight": infos[chosen].get(SCORE, 0.0), "ts": int(time.time())}
