# SPDX-License-Identifier: Apache-2.0
"""
What a step of every method of the bundle costs above its floor, the student's step with the teacher's forward pass.

    python tests/benchmarks/methods.py [--threads 2] [--batch 16] [--side 128] [--rounds 10] [--methods review …]

Each overlay of configs/methods is measured in a process of its own, where plain, floor and distillation steps take
turns on one batch. Printed are (step - teacher forward) / (plain student step), and how far the peak of the process's
memory (on a GPU: of the allocated memory) rises above that of the floor.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
from pathlib import Path

import torch
from distillation_step import STEPS, iteration_times
from in_turns import in_turns, parse, random_batch
from monai.bundle import ConfigParser
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss

from monai_kd import DistillationTrainer

CONFIGS = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation" / "configs"
WIDTHS = [14, 28, 56, 112, 224, 448]


def trainers(method: str, batch: dict[str, torch.Tensor]) -> dict[str, SupervisedTrainer]:
    """Plain, floor, and the method's own."""
    device = batch["image"].device
    config = ConfigParser.load_config_files([str(CONFIGS / name) for name in ("train.json", f"methods/{method}.json")])
    config.update(
        {"spatial_size": list(batch["image"].shape[2:]), "teacher_channels": WIDTHS, "batch_size": len(batch)}
    )
    torch.manual_seed(0)
    parser = ConfigParser(config)
    teacher = parser.get_parsed_content("teacher_def").to(device).eval()
    pathways = parser.get_parsed_content("pathways").to(device)

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
    distil = DistillationTrainer(teacher=teacher, pathways=pathways, **common(pathways))
    return {"plain": SupervisedTrainer(**common()), "floor": floor, "method": distil}


def peak(device: torch.device) -> float:
    """Of this process so far, in megabytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(method: str, threads: int, batch: int, side: int, rounds: int) -> tuple[float, float, float]:
    """The ratio, its spread over the rounds, and megabytes above the floor."""
    data, device = random_batch(threads, batch, side)
    timers = {name: iteration_times(trainer, device) for name, trainer in trainers(method, data).items()}
    for name in ("plain", "floor"):
        timers[name]()
    before = peak(device)
    timers["method"]()
    memory = peak(device) - before
    times = in_turns(timers, rounds)
    ratios = sorted(1 + (one["method"] - one["floor"]) / one["plain"] for one in times)
    return statistics.median(ratios), ratios[-1 - len(ratios) // 10] - ratios[len(ratios) // 10], memory


def main() -> None:
    every = sorted(path.stem for path in (CONFIGS / "methods").glob("*.json"))
    arguments = parse(__doc__, side=128, rounds=10, methods=every)
    print("| overlay | (step − teacher forward) / plain step (p10 to p90) | MB above the floor |")
    print("| --- | --- | --- |")
    for method in arguments.methods:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            given = (method, arguments.threads, arguments.batch, arguments.side, arguments.rounds)
            ratio, spread, memory = pool.apply(measure, given)
        print(f"| {method} | {ratio:.2f} ({spread:.2f}) | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
