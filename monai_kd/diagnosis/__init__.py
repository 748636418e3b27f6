# SPDX-License-Identifier: Apache-2.0
"""
Find out why distillation did not help, from a distilled student, its teacher and the student alone.

:class:`TrainedRun` reads a finished training, :func:`measure` runs every network on the images, :func:`find` draws
conclusions, and :func:`write_diagnosis` writes a page. Nothing is trained.
"""

from __future__ import annotations

from monai_kd.diagnosis.findings import Finding, Step, find, next_steps, verdict
from monai_kd.diagnosis.measurements import Measured, measure
from monai_kd.diagnosis.page import write_diagnosis
from monai_kd.diagnosis.trained_run import TrainedRun

__all__ = ["Finding", "Measured", "Step", "TrainedRun", "find", "measure", "next_steps", "verdict", "write_diagnosis"]
