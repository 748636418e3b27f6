# SPDX-License-Identifier: Apache-2.0
"""
Distributed training: what two processes make of two cores, or of every GPU that there is.

    python tests/benchmarks/processes.py [--pair default] [--batch 16] [--side 128] [--rounds 20]

Every process has its own batch, and one core or GPU. Measured are the images per second of one process alone, of all
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

import torch
import torch.distributed as dist
from in_turns import random_batch, read_arguments
from pairs import PAIRS
from steps import STEPS, iteration_times, logits, of_trainer

from monai_kd import DistillationTrainer
from monai_kd.engines import distribute


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
    times = [timer() for _ in range(max(arguments.rounds // STEPS, 2))][1:]
    if talking:
        dist.destroy_process_group()
    return 1000 * arguments.batch / statistics.median(times)


def together(processes: int, arguments: argparse.Namespace, talking: bool) -> float:
    """Images per second of all."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, context.Pool(processes) as pool:
        tasks = [(rank, processes, f"{folder}/store", arguments, talking) for rank in range(processes)]
        return sum(pool.starmap(images_per_second, tasks, chunksize=1))


def row(name: str, processes: int, found: Sequence[float], alone: Sequence[float]) -> str:
    """With the efficiency against one process alone."""
    ratio = statistics.median(all_of_them / (processes * one) for all_of_them, one in zip(found, alone, strict=True))
    low, high = min(found), max(found)
    return f"| {name} | {processes} | {statistics.median(found):.0f} ({low:.0f}–{high:.0f}) | {100 * ratio:.0f} % |"


def main() -> None:
    arguments = read_arguments(__doc__, side=128, pair=list(PAIRS), repeats=None)
    processes = torch.cuda.device_count() or 2
    alone, side_by_side, distributed = [], [], []
    for _ in range(int(arguments.repeats or 3)):
        alone.append(together(1, arguments, talking=False))
        side_by_side.append(together(processes, arguments, talking=False))
        distributed.append(together(processes, arguments, talking=True))
    print("| training | processes | images per second: median (range) | efficiency |")
    print("| --- | --- | --- | --- |")
    print(row("alone", 1, alone, alone))
    print(row("side by side", processes, side_by_side, alone))
    print(row("DistributedDataParallel", processes, distributed, alone))


if __name__ == "__main__":
    main()
