# SPDX-License-Identifier: Apache-2.0
"""
Synthetic breast ultrasound with lesion masks, to try everything without images of patients.

====================== ================================================================================
``phantom``            picture, mask and pathology of one phantom
``draw_phantom``       the same with ``PhantomSettings``, pixel size and the box of the scan
``phantom_volume``     a volume, as an automated breast scanner records it
``PhantomDataset``     any number of phantoms as a data set, drawn when needed
``write_phantoms``     pictures in Dataset_A's layout; ``write_phantom_volumes``: volumes in plain folders
``SCANNERS``           named scanners, each with its own look
====================== ================================================================================

The steps inside: ``tissue`` (or ``volumes.tissue``) draws acoustic maps, ``lesion`` and ``outline`` add a lesion,
``scanner`` and ``beam`` compute echoes and gray values, ``probe`` makes the picture, ``burn_in`` adds the margins.
"""

from __future__ import annotations

from monai_kd.phantom.consoles import SCANNERS
from monai_kd.phantom.dataset import CLASSES, PhantomDataset
from monai_kd.phantom.drawing import Phantom, draw_phantom, phantom
from monai_kd.phantom.settings import PhantomSettings
from monai_kd.phantom.volumes.volume import PhantomVolume, phantom_volume
from monai_kd.phantom.writing import write_phantom_volumes, write_phantoms

__all__ = [
    "CLASSES",
    "SCANNERS",
    "Phantom",
    "PhantomDataset",
    "PhantomSettings",
    "PhantomVolume",
    "draw_phantom",
    "phantom",
    "phantom_volume",
    "write_phantom_volumes",
    "write_phantoms",
]
