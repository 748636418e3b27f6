# SPDX-License-Identifier: Apache-2.0
"""The contents of a data set, and its problems."""

from __future__ import annotations

from monai_kd.data.inspection.contact_sheet import write_sheet
from monai_kd.data.inspection.inspection import Inspection, inspect_dataset
from monai_kd.data.inspection.problem_kinds import KINDS, Problem

__all__ = ["KINDS", "Inspection", "Problem", "inspect_dataset", "write_sheet"]
