# SPDX-License-Identifier: Apache-2.0
"""Active learning without scores."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from monai_kd.label.requests.notes import shown_at

__all__ = ["Unseen"]


class Unseen(Strategy):
    """
    A random unlabelled image; the longer it was not shown, the more likely it is.

    Example:
        ``POST /activelearning/random``
    """

    def __init__(self) -> None:
        super().__init__("An image at random, the likelier the longer it was not shown")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The image's id; None when everything is labelled."""
        images = datastore.get_unlabeled_images()
        if not images:
            return None
        now = time.time()
        # At least 1, because all images may have been shown in this second.
        ages = [max(1.0, now - shown_at(datastore.get_image_info(image), request["strategy"])) for image in images]
        chosen = random.choices(range(len(images)), weights=ages)[0]
        return {"id": images[chosen], "weight": ages[chosen]}
