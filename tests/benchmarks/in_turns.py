# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of steps and views share: their arguments, taking turns, and the rows of their tables."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import monai
import torch

from monai_kd.utils.processes import cpu_name

Round = Mapping[str, float]


def read_arguments(
    description: str, side: int, rounds: int = 20, **choices: Sequence[str] | None
) -> argparse.Namespace:
    """The arguments; what is measured, and on what, is printed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("threads", 2), ("batch", 16), ("side", side), ("rounds", rounds)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, values in choices.items():
        several: dict[str, Any] = {} if name == "pair" else {"nargs": "+"}
        kind = {"choices": values, **several} if values else {}
        parser.add_argument(
            f"--{name.replace('_', '-')}", **kind, default=values[0] if name == "pair" and values else values
        )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{device_name()}, {arguments.threads} thread(s), torch {torch.__version__}, MONAI {monai.__version__}; batch "
        f"{arguments.batch} of {arguments.side}×{arguments.side}; median of {arguments.rounds} rounds, in each of "
        "which all take their turn.\n"
    )
    return arguments


def device_name() -> str:
    """Of the GPU, or of the CPU where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()


def random_batch(arguments: argparse.Namespace) -> dict[str, Any]:
    """Images and labels on the device, and the images' names."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = torch.rand(arguments.batch, 1, arguments.side, arguments.side, device=device)
    return {"image": image, "label": (image > 0.5).float(), "id": [str(i) for i in range(len(image))]}


def table_row(name: str, rounds: Sequence[Round], last: str, digits: int = 1) -> str:
    """Name, median with 10th and 90th percentile, and the last cells."""
    values = sorted(times[name] for times in rounds)
    low, high = values[len(values) // 10], values[-1 - len(values) // 10]
    return f"| {name} | {statistics.median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f}) | {last} |"
