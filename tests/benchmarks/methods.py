# SPDX-License-Identifier: Apache-2.0
"""
What a step of every method of the bundle costs above its floor, the student's step with the teacher's forward pass.

    python tests/benchmarks/methods.py [--threads 2] [--batch 16] [--side 128] [--rounds 10] [--methods review …]
    python tests/benchmarks/methods.py --write docs/methods.md

Each overlay of configs/methods is measured in a process of its own, where plain, floor and distillation steps take
turns on one batch. Printed are (step - teacher forward) / (plain student step), and how far the peak of the process's
memory (on a GPU: of the allocated memory) rises above that of the floor. With --write the page's table of all methods
is made anew, with these costs in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
from pathlib import Path

import torch
from catalogue import CONFIGS, methods, replace_table
from in_turns import random_batch, read_arguments
from monai.bundle import ConfigParser
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from steps import STEPS, iteration_times

from monai_kd import DistillationTrainer
from monai_kd.benchmark.timing import in_turns

WIDTHS = [14, 28, 56, 112, 224, 448]


def trainers(method: str, batch: dict[str, torch.Tensor]) -> dict[str, SupervisedTrainer]:
    """Plain, floor, and the method's own."""
    device = batch["image"].device
    config = ConfigParser.load_config_files(
        [str(CONFIGS / name) for name in ("train.json", "teachers/paper.json", f"methods/{method}.json")]
    )
    config.update(
        {"spatial_size": list(batch["image"].shape[2:]), "teacher_channels": WIDTHS, "batch_size": len(batch)}
    )
    if "encoder" in config:  # trained beforehand, which changes no cost
        config["encoder"] = "$@autoencoder.encoder"
    torch.manual_seed(0)
    parser = ConfigParser(config)
    teacher = parser.get_parsed_content("teacher_def").to(device).eval()
    pathways = parser.get_parsed_content("pathways").to(device)
    targets = {name: entry.get("_target_", "") for name, entry in config.items() if isinstance(entry, dict)}
    handlers = [parser.get_parsed_content(name) for name, target in targets.items() if "monai_kd.handlers." in target]
    if "unlabelled_dir" in config:
        batch = {**batch, "has_label": torch.arange(len(batch["image"])) % 2}

    def common(*extra: torch.nn.Module) -> dict[str, object]:
        student = ConfigParser(config).get_parsed_content("network_def").to(device)
        weights = [weight for module in (student, *extra) for weight in module.parameters()]
        return {
            "network": student,
            "optimizer": torch.optim.AdamW(weights, 1e-4),
            "loss_function": DiceCELoss(softmax=True, to_onehot_y=True),
            "device": device,
            "max_epochs": 1,
            "train_data_loader": [batch] * STEPS,
        }

    def forward_teacher(engine: SupervisedTrainer) -> None:
        with torch.no_grad():
            teacher(engine.state.output["image"])

    floor = SupervisedTrainer(**common())
    floor.add_event_handler(IterationEvents.LOSS_COMPLETED, forward_teacher)
    distil = DistillationTrainer(teacher=teacher, pathways=pathways, train_handlers=handlers, **common(pathways))
    return {"plain": SupervisedTrainer(**common()), "floor": floor, "method": distil}


def peak(device: torch.device) -> float:
    """Of this process so far, in megabytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(method: str, arguments: argparse.Namespace) -> tuple[list[float], float]:
    """The ratio in each round, sorted, and megabytes above the floor."""
    batch = random_batch(arguments)
    device = batch["image"].device
    timers = {name: iteration_times(trainer, device) for name, trainer in trainers(method, batch).items()}
    for name in ("plain", "floor"):
        timers[name]()
    before = peak(device)
    timers["method"]()
    memory = peak(device) - before
    rounds = list(in_turns(timers, arguments.rounds))
    return sorted(1 + (times["method"] - times["floor"]) / times["plain"] for times in rounds), memory


def main() -> None:
    arguments = read_arguments(__doc__, side=128, rounds=10, methods=methods(), write=None)
    costs = {}
    print("| overlay | (step − teacher forward) / plain step: median (p10–p90) | MB above the floor |")
    print("| --- | --- | --- |")
    for method in arguments.methods:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            ratios, memory = pool.apply(measure, (method, arguments))
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        costs[method] = (f"{statistics.median(ratios):.2f}", f"{memory:.0f}")
        print(f"| {method} | {costs[method][0]} ({low:.2f}–{high:.2f}) | {memory:.0f} |", flush=True)
    if arguments.write:
        replace_table(Path(arguments.write), costs)


if __name__ == "__main__":
    main()
