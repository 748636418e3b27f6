# SPDX-License-Identifier: Apache-2.0
"""
What importing the package takes over importing MONAI, and what a command takes to say its help.

    python tests/benchmarks/startup.py [--rounds 5]

Every start is a process of its own; all take turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from functools import partial

from in_turns import device_name, table_row

from monai_kd.benchmark.timing import in_turns, timed

MONAI = "import monai.engines, monai.handlers, monai.bundle"
STARTS = {
    "`import torch`": ["-c", "import torch"],
    "`import monai.bundle`, as any bundle does": ["-c", "import monai.bundle"],
    "`import monai`, and what a training uses of it": ["-c", MONAI],
    "the same, and `from monai_kd import DistillationTrainer`": [
        "-c",
        f"{MONAI}; from monai_kd import DistillationTrainer",
    ],
    "the same, and all that `monai_kd` has": ["-c", f"{MONAI}; from monai_kd import *"],
    "`import monai_kd` alone": ["-c", "import monai_kd"],
    "`python -m monai_kd --help`": ["-m", "monai_kd", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{device_name()}; median of {arguments.rounds} rounds, in each of which all take their turn.\n")
    run = partial(subprocess.run, check=True, capture_output=True)
    timers = {name: timed(partial(run, [sys.executable, *words])) for name, words in STARTS.items()}
    rounds = list(in_turns(timers, arguments.rounds, warm_up=1))
    print("| start | ms: median (p10–p90) | more than MONAI alone, ms |")
    print("| --- | --- | --- |")
    monai = list(timers)[2]
    for name in timers:
        more = statistics.median(times[name] - times[monai] for times in rounds)
        print(table_row(name, rounds, f"{more:+.0f}"))


if __name__ == "__main__":
    main()
