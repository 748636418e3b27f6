# SPDX-License-Identifier: Apache-2.0
"""
Train and time small segmentation networks side by side on one CPU thread, and print the table of docs/networks.md.

    python tests/benchmarks/networks.py --dataset-dir BrEaST --seeds 0 1 2
    python tests/benchmarks/networks.py --latency-only

Every finished (network, seed) is a line of the results file, so a run that was killed goes on where it stopped, and
two processes with different ``--networks`` may share one file. One results file is for one recipe.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any

import torch
from monai.networks.nets import BasicUNet, DynUNet, FlexibleUNet, SegResNet, UNet
from network_recipe import dice_scores, load_images, train
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from monai_kd.networks import PretrainedUNet, StudentUNet

SIX_LEVELS = tuple(14 * 2**level for level in range(6))
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "StudentUNet": lambda: StudentUNet(2, 1, 2),
    "StudentUNet 0.04 M": lambda: StudentUNet(2, 1, 2, channels=(8, 12, 16, 24, 32)),
    "StudentUNet 0.013 M": lambda: StudentUNet(2, 1, 2, channels=(4, 6, 8, 12, 20)),
    "StudentUNet, batch norm": lambda: StudentUNet(2, 1, 2, norm="batch"),
    "StudentUNet, group norm": lambda: StudentUNet(2, 1, 2, norm=("group", {"num_groups": 8})),
    "StudentUNet, four levels": lambda: StudentUNet(2, 1, 2, channels=(16, 32, 64, 128)),
    "StudentUNet, six levels": lambda: StudentUNet(2, 1, 2, channels=(16, 32, 48, 64, 96, 128)),
    "StudentUNet, wide at the top": lambda: StudentUNet(2, 1, 2, channels=(24, 48, 64, 80, 128)),
    "StudentUNet, wide at the bottom": lambda: StudentUNet(2, 1, 2, channels=(12, 24, 48, 96, 192)),
    "SegResNet 8": lambda: SegResNet(2, 8, 1, 2),
    "MONAI UNet": lambda: UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2),
    "MONAI UNet 4-32": lambda: UNet(2, 1, 2, (4, 8, 16, 32), (2, 2, 2)),
    "BasicUNet": lambda: BasicUNet(2, 1, 2, features=(32, 32, 64, 128, 256, 32)),
    "UNet 14-448": lambda: UNet(2, 1, 2, SIX_LEVELS, (2,) * 5, num_res_units=2),
    "UNet 14-448, batch norm": lambda: UNet(2, 1, 2, SIX_LEVELS, (2,) * 5, num_res_units=2, norm="batch"),
    "UNet 28-448, five levels": lambda: UNet(2, 1, 2, (28, 56, 112, 224, 448), (2, 2, 2, 2), num_res_units=2),
    "UNet 57-1824": lambda: UNet(2, 1, 2, tuple(57 * 2**i for i in range(6)), (2,) * 5, num_res_units=2),
    "SegResNet 8, 6 levels": lambda: SegResNet(2, 8, 1, 2, blocks_down=(1, 2, 2, 2, 2, 4), blocks_up=(1,) * 5),
    "DynUNet 13-416": lambda: DynUNet(
        2, 1, 2, [3] * 6, [1] + [2] * 5, [2] * 5, filters=[13 * 2**i for i in range(6)], res_block=True
    ),
    "StudentUNet 32-448": lambda: StudentUNet(2, 1, 2, channels=(32, 64, 128, 256, 448)),
    "PretrainedUNet": lambda: PretrainedUNet(1, 2),
    "FlexibleUNet b0": lambda: FlexibleUNet(1, 2, "efficientnet-b0", pretrained=False),
    "FlexibleUNet b8": lambda: FlexibleUNet(1, 2, "efficientnet-b8", pretrained=False),
}
REFERENCE = "SegResNet 8"
TRAINING_IMAGES, TIMED_SIZE = 202, 224


def latencies(names: list[str], size: int, rounds: int) -> list[dict[str, Any]]:
    """
    Milliseconds per forward pass, all networks and both layouts in turn within each round.

    The order changes from round to round: what runs after a large network finds the caches full of it.
    """
    image = torch.randn(1, 1, size, size)
    formats = {"default": torch.contiguous_format, "channels_last": torch.channels_last}
    cases = {}
    for name in names:
        network = NETWORKS[name]().eval()
        for layout, memory_format in formats.items():
            cases[name, layout] = copy.deepcopy(network).to(memory_format=memory_format)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in cases}
    order = random.Random(0)
    with torch.inference_mode():
        for round_number in range(rounds + rounds // 5):
            for key in order.sample(list(cases), len(cases)):
                network, x = cases[key], image.contiguous(memory_format=formats[key[1]])
                start = time.perf_counter()
                network(x)
                if round_number >= rounds // 5:
                    seconds[key].append(time.perf_counter() - start)
    records = []
    for name in names:
        network = cases[name, "default"]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(image)
        record: dict[str, Any] = {"network": name, "gmac": counter.get_total_flops() / 2e9}
        record["parameters"] = sum(parameter.numel() for parameter in network.parameters())
        for layout in formats:
            deciles = quantiles(seconds[name, layout], n=10)
            record[layout] = [1e3 * median(seconds[name, layout]), 1e3 * deciles[0], 1e3 * deciles[-1]]
        records.append(record)
    return records


def table(records: list[dict[str, Any]]) -> str:
    """Markdown table of every timed network; the last line of a network and seed counts."""
    timed = {record["network"]: record for record in records if "default" in record}
    best = {name: min(record["default"][0], record["channels_last"][0]) for name, record in timed.items()}
    rows = [
        "| network | Dice, mean over seeds (spread) | median Dice | seeds | parameters (M) | GMAC "
        "| ms, default layout (p10-p90) | ms, channels-last (p10-p90) | time against " + REFERENCE + " |",
        "|" + " --- |" * 9,
    ]
    for name, record in sorted(timed.items(), key=lambda item: best[item[0]]):
        scores = {r["seed"]: r["dice"] for r in records if r["network"] == name and "seed" in r}
        means = [mean(dice) for dice in scores.values()]
        spread = f" ({stdev(means):.3f})" if len(means) > 1 else ""
        cells = [name, f"{mean(means):.3f}{spread}" if means else "not trained"]
        cells += [f"{mean(median(dice) for dice in scores.values()):.3f}" if means else "", str(len(means))]
        cells += [f"{record['parameters'] / 1e6:.3f}", f"{record['gmac']:.3f}"]
        cells += ["{:.1f} ({:.1f}-{:.1f})".format(*record[layout]) for layout in ("default", "channels_last")]
        cells.append(f"{best[name] / best[REFERENCE]:.2f}" if REFERENCE in best else "")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def read_results(path: Path) -> list[dict[str, Any]]:
    """Every finished line of the results file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_result(path: Path, record: dict[str, Any]) -> None:
    """Append one line."""
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def train_missing(options: argparse.Namespace) -> None:
    """Train every (network, seed) that the results file does not hold; the weights after the last epoch are tested."""
    recipe = {key: getattr(options, key) for key in ("size", "epochs", "split_seed")}
    results = [r for r in read_results(options.results) if "seed" in r]
    done = {(r["network"], r["seed"]) for r in results if r["recipe"] == recipe}
    wanted = [(name, seed) for name in options.networks for seed in options.seeds if (name, seed) not in done]
    if not wanted:
        return
    image, label = load_images(options.dataset_dir, options.size)
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(options.split_seed))
    learn, test = order[:TRAINING_IMAGES], order[TRAINING_IMAGES:]
    for name, seed in wanted:
        torch.manual_seed(seed)
        network = NETWORKS[name]()
        start = time.perf_counter()
        train(network, image[learn], label[learn], seed, options.epochs)
        dice = dice_scores(network, image[test], label[test])
        minutes = (time.perf_counter() - start) / 60
        record = {"network": name, "seed": seed, "recipe": recipe, "dice": dice, "minutes": minutes}
        write_result(options.results, record)
        print(
            f"{name}, seed {seed}: Dice {mean(dice):.3f} (median {median(dice):.3f}) in {minutes:.1f} min", flush=True
        )


def main() -> None:
    """Train what is missing from the results file, time every network, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset-dir", type=Path, help="folder of BrEaST as distributed")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--split-seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=128, help="size of the training images")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=50, help="timed rounds, after a fifth as many to warm up")
    parser.add_argument("--results", type=Path, default=Path("networks.jsonl"))
    parser.add_argument("--latency-only", action="store_true")
    parser.add_argument("--train-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.latency_only:
        if options.dataset_dir is None:
            parser.error("training needs --dataset-dir; without it, give --latency-only")
        train_missing(options)
    if not options.train_only:
        for record in latencies(options.networks, TIMED_SIZE, options.rounds):
            write_result(options.results, record)
        print(table(read_results(options.results)))


if __name__ == "__main__":
    main()
