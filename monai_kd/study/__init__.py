# SPDX-License-Identifier: Apache-2.0
"""Compare models on several splits: plan, run (resumable), statistics and report."""

from monai_kd.study.running.plan import Plan, Row
from monai_kd.study.running.plan_file import read_plan
from monai_kd.study.running.run_study import run_study

__all__ = ["Plan", "Row", "read_plan", "run_study"]
