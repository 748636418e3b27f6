# SPDX-License-Identifier: Apache-2.0
"""The processor on which a benchmark ran."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

__all__ = ["cpu_name"]

CPUS = Path("/proc/cpuinfo")


def cpu_name() -> str:
    """The processor's name, the number of threads that torch uses, and the number of cores."""
    lines = CPUS.read_text(encoding="utf-8").splitlines() if CPUS.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} of {max(1, len(models))} cores"
