# SPDX-License-Identifier: Apache-2.0
"""
How a study's time falls with its workers: measured on this machine, and modelled beyond.

    python tests/benchmarks/study_workers.py [--jobs 1 2] [--rounds 1]

The study is studies/smoke.yaml: every row of the paper's, small, on synthetic images. Each number of jobs runs it
whole, by processes of this machine, and the largest by tasks of a Ray cluster of one node, if Ray is installed. The
model is a list schedule: every run takes the mean time that a run took with one job, students start when the teacher of
their split is there, and what the study does before and after its runs (the time of the same command when all runs are
done) is not shared. It leaves out what workers on one machine take from each other, and the network between machines.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from in_turns import device_name

from monai_kd.phantom import write_phantoms
from monai_kd.study import read_plan

STUDY = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation" / "studies" / "smoke.yaml"
PORT = 6399
STARTED = 20.0  # seconds until a node answers
MORE = (1, 2, 4, 8, 16, 32)
SPLITS = 9  # of the modelled study: three splits with three seeds each


def seconds(data: Path, output: Path, *options: str) -> float:
    """Of the study's command."""
    command = [sys.executable, "-m", "monai_kd", "study", "run", str(STUDY), "--dataset-dir", str(data)]
    started = time.perf_counter()
    subprocess.run([*command, "--output-dir", str(output), *options], check=True, capture_output=True)
    return time.perf_counter() - started


@contextmanager
def ray_cluster(cores: int) -> Iterator[str]:
    """Of one node on this machine; gives its address."""
    options = [f"--port={PORT}", f"--num-cpus={cores}", "--include-dashboard=false", "--disable-usage-stats", "--block"]
    ray = Path(sys.executable).with_name("ray")
    node = subprocess.Popen([ray, "start", "--head", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(STARTED)
        yield f"127.0.0.1:{PORT}"
    finally:
        node.terminate()  # `ray stop` would end every node of this machine
        node.wait()


def schedule(workers: int, splits: int, rows: int, run: float) -> float:
    """Seconds of a list schedule: in each split one teacher, then the other rows."""
    free = [0.0] * workers
    ends = [heapq.heapreplace(free, free[0] + run) + run for _ in range(splits)]
    for ready in ends:
        for _ in range(rows - 1):
            heapq.heapreplace(free, max(free[0], ready) + run)
    return max(free)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    rows = len(read_plan(STUDY).rows)
    print(f"{device_name()}; {rows} runs, one thread each; median of {arguments.rounds} round(s).\n")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_phantoms(root / "data", count=24)
        measured: dict[str, list[float]] = {}
        for number in range(arguments.rounds):
            for jobs in arguments.jobs:
                name = f"{jobs} job(s) of this machine"
                output = root / f"{number}-{jobs}"
                options = ("--jobs", str(jobs), "--threads", "1")
                measured.setdefault(name, []).append(seconds(root / "data", output, *options))
            overhead = seconds(root / "data", output, *options)
            if find_spec("ray"):
                for jobs in arguments.jobs[-1:]:
                    with ray_cluster(jobs) as address:
                        name, output = f"{jobs} worker(s) of Ray", root / f"{number}-{jobs}-ray"
                        options = ("--ray", address, "--threads", "1")
                        measured.setdefault(name, []).append(seconds(root / "data", output, *options))
    print("| workers | seconds of the study | speed-up |\n| --- | --- | --- |")
    times = {name: statistics.median(values) for name, values in measured.items()}
    first = next(iter(times.values()))
    for name, taken in times.items():
        print(f"| {name} | {taken:.0f} | {first / taken:.2f} |")
    run = (first - overhead) / rows
    print(f"\nModel: {run:.1f} s a run, {overhead:.1f} s not shared; {SPLITS} times as many runs, {SPLITS * rows}.\n")
    print("| workers | minutes of the study | speed-up |\n| --- | --- | --- |")
    alone = overhead + schedule(1, SPLITS, rows, run)
    for workers in MORE:
        taken = overhead + schedule(workers, SPLITS, rows, run)
        print(f"| {workers} | {taken / 60:.1f} | {alone / taken:.1f} |")


if __name__ == "__main__":
    main()
