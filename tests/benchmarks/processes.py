# SPDX-License-Identifier: Apache-2.0
"""
Distributed training: what two processes make of two cores, or of every GPU that there is.

    python tests/benchmarks/processes.py [--pair default] [--batch 16] [--side 128] [--rounds 4] [--repeats 3]

Every process has its own batch, and one core or GPU. Measured is the throughput of one process alone, of all
of them side by side without talking to each other (what the machine's memory and clock leave of them), and of all of
them in DistributedDataParallel, which adds up their gradients in every step. The efficiency is the last over the first
times the number of processes; against those side by side it is what the talking costs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from in_turns import device_name, random_batch
from pairs import PAIRS
from steps import STEPS, iteration_times, logits, of_trainer

from monai_kd import DistillationTrainer
from monai_kd.engines import distribute

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
BARRIER: list[Any] = []  # of a process that is measured


def remember(barrier: Any) -> None:
    """In a process that starts."""
    BARRIER.append(barrier)


def images_per_second(rank: int, processes: int, store: str, arguments: argparse.Namespace, talking: bool) -> float:
    """Of one of the processes, in the median of its rounds."""
    torch.set_num_threads(1)
    if talking:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, init_method=f"file://{store}", rank=rank, world_size=processes)
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    pair, batch = PAIRS[arguments.pair], random_batch(arguments)
    made = of_trainer(pair, batch, logits(pair))
    network = distribute(made["network"], batch["image"].device)
    made |= {"network": network, "optimizer": torch.optim.AdamW(network.parameters(), 1e-3)}
    timer = iteration_times(DistillationTrainer(teacher=pair.teacher(), **made), batch["image"].device)
    timer()
    BARRIER[0].wait()  # none of them is measured while another one still starts
    times = [timer() for _ in range(arguments.rounds)]
    if talking:
        dist.destroy_process_group()
    return 1000 * arguments.batch / statistics.median(times)


def together(processes: int, arguments: argparse.Namespace, talking: bool) -> float:
    """Throughput of all processes together, in images per second."""
    context = multiprocessing.get_context(METHOD)
    context.set_forkserver_preload(["__main__", "torch._dynamo"])  # all that they import
    started = (remember, (context.Barrier(processes),))
    with tempfile.TemporaryDirectory() as folder, context.Pool(processes, *started) as pool:
        tasks = [(rank, processes, f"{folder}/store", arguments, talking) for rank in range(processes)]
        return sum(pool.starmap(images_per_second, tasks, chunksize=1))


def row(name: str, processes: int, found: Sequence[float], alone: Sequence[float]) -> str:
    """With the efficiency against one process alone."""
    ratio = statistics.median(all_of_them / (processes * one) for all_of_them, one in zip(found, alone, strict=True))
    low, high = min(found), max(found)
    return f"| {name} | {processes} | {statistics.median(found):.0f} ({low:.0f}–{high:.0f}) | {100 * ratio:.0f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=list(PAIRS), default="default")
    for name, default in (("batch", 16), ("side", 128), ("rounds", 4), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    processes = torch.cuda.device_count() or 2
    print(
        f"{device_name()}; each process has one thread or GPU and its own batch of {arguments.batch} images of "
        f"{arguments.side}×{arguments.side}; median of {arguments.repeats} repeats, each of {arguments.rounds} times "
        f"{STEPS} steps.\n"
    )
    alone, side_by_side, distributed = [], [], []
    for _ in range(arguments.repeats):
        alone.append(together(1, arguments, talking=False))
        side_by_side.append(together(processes, arguments, talking=False))
        distributed.append(together(processes, arguments, talking=True))
    print("| training | processes | throughput, images/s: median (range) | efficiency |")
    print("| --- | --- | --- | --- |")
    print(row("alone", 1, alone, alone))
    print(row("side by side", processes, side_by_side, alone))
    print(row("DistributedDataParallel", processes, distributed, alone))


if __name__ == "__main__":
    main()
