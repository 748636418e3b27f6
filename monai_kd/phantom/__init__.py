# SPDX-License-Identifier: Apache-2.0
"""
Synthetic breast ultrasound with lesion masks, for trying everything out without any patient's image.

====================== ================================================================================
``phantom``            picture, mask and pathology of one phantom
``draw_phantom``       the same with ``PhantomSettings``, pixel size and the box of the scan
``phantom_volume``     a volume as an automated breast scanner sweeps it
``PhantomDataset``     any number of phantoms as a data set, drawn when asked for
``write_phantoms``     pictures in Dataset_A's layout; ``write_phantom_volumes``: volumes in plain folders
``SCANNERS``           the named scanners, each with a look of its own
====================== ================================================================================

From the inside: ``tissue`` (or ``volume_tissue``) draws acoustic maps, ``lesion`` and ``outline`` put a lesion in,
``scanner`` and ``beam`` make echoes and gray values of them, ``probe`` the picture, ``burn_in`` the margins.
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
