# SPDX-License-Identifier: Apache-2.0
"""Bundles whose graph is the network alone: the caller prepares the image, and lays windows over it."""

from __future__ import annotations

from typing import Any

from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_kd.bundle.open_bundle import Bundle
from monai_kd.export.graph import segmenter
from monai_kd.export.transforms.translate import NotInGraphError
from monai_kd.utils.messages import first_line

__all__ = ["why_alone", "windows"]


def why_alone(bundle: Bundle) -> str:
    """
    What of a bundle's own steps no graph can do, so that its network is exported alone.

    Args:
        bundle: with transforms and an inferer.

    Returns:
        A sentence; empty if everything can be in the graph.
    """
    try:
        segmenter(bundle, nn.Identity())
    except NotInGraphError as error:
        return f"{first_line(error).split(' Export only the network')[0].rstrip('.')}."
    return ""


def windows(bundle: Bundle) -> dict[str, Any]:
    """
    The windows that the bundle's inferer runs the network on, as ``monai.inferers.sliding_window_inference`` takes
    them.

    Args:
        bundle: with a sliding window or without.

    Returns:
        Its ``roi_size`` (pixels or voxels), ``overlap`` (a share) and ``mode``; empty if the network is run at once.
    """
    inferer = bundle.inferer
    if not isinstance(inferer, SlidingWindowInferer):
        return {}
    overlap = inferer.overlap
    return {
        "roi_size": list(bundle.input_shape[2:]),
        "overlap": list(overlap) if isinstance(overlap, list | tuple) else overlap,
        "mode": str(getattr(inferer.mode, "value", inferer.mode)),
    }
