# SPDX-License-Identifier: Apache-2.0
"""A study folder of MONAI Label: images at its root, masks of the same names in ``labels/final``."""

from __future__ import annotations

from monai_kd.data.conversion.naming import names_without_dots
from monai_kd.data.conversion.plain import write_patients
from monai_kd.data.conversion.target import Target

# The server lists the files itself and writes datastore_v2.json at its first start.
MONAI_LABEL = Target(
    name="monailabel",
    image="{id}",
    label="labels/final/{id}",
    inside=1,  # in a label map, the value is the segment's number
    names=names_without_dots,
    finish=write_patients,
)
