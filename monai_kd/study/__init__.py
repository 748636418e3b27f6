# SPDX-License-Identifier: Apache-2.0
"""A whole comparison of models on several splits, resumable, with statistics and a report."""

from monai_kd.study.running.plan import Plan, Row
from monai_kd.study.running.plan_file import read_plan
from monai_kd.study.running.run_study import run_study

__all__ = ["Plan", "Row", "read_plan", "run_study"]
