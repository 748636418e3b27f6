# SPDX-License-Identifier: Apache-2.0
"""
Why distillation did not help: a distillation, its teacher and the student alone, looked at side by side.

``TrainedRun`` reads what a training left behind, ``measure`` lets every network answer, ``find`` draws the conclusions,
``write_diagnosis`` makes a page of them. Nothing is trained.
"""

from __future__ import annotations

from monai_kd.diagnosis.findings import Finding, Step, find, next_steps, verdict
from monai_kd.diagnosis.measurements import Measured, measure
from monai_kd.diagnosis.page import write_diagnosis
from monai_kd.diagnosis.trained_run import TrainedRun

__all__ = ["Finding", "Measured", "Step", "TrainedRun", "find", "measure", "next_steps", "verdict", "write_diagnosis"]
