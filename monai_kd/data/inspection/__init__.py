# SPDX-License-Identifier: Apache-2.0
"""The contents of a data set, and its problems."""

from __future__ import annotations

from monai_kd.data.inspection.inspection import Inspection, inspect_dataset
from monai_kd.data.inspection.problems import KINDS, Problem
from monai_kd.data.inspection.sheet import write_sheet

__all__ = ["KINDS", "Inspection", "Problem", "inspect_dataset", "write_sheet"]
