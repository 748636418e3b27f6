# SPDX-License-Identifier: Apache-2.0
"""Train and time small segmentation networks side by side on one CPU thread, and print the table of docs/networks.md.

    python tests/benchmarks/networks.py --dataset_dir BrEaST --seeds 0 1 2
    python tests/benchmarks/networks.py --latency-only

Every finished (network, seed) is a line of the results file, so a run that was killed goes on where it stopped, and
two processes with different ``--networks`` may share one file.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any

import torch
from monai.networks.nets import BasicUNet, SegResNet, UNet
from monai.transforms import AsDiscreted, Compose, NormalizeIntensityd, Resized, ToTensord
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.networks import StudentUNet

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "StudentUNet": lambda: StudentUNet(2, 1, 2),
    "StudentUNet 0.05 M": lambda: StudentUNet(2, 1, 2, channels=(8, 12, 16, 24, 32)),
    "StudentUNet 0.015 M": lambda: StudentUNet(2, 1, 2, channels=(4, 6, 8, 12, 20)),
    "SegResNet 8": lambda: SegResNet(2, 8, 1, 2),
    "MONAI UNet": lambda: UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2),
    "MONAI UNet 4-32": lambda: UNet(2, 1, 2, (4, 8, 16, 32), (2, 2, 2)),
    "BasicUNet": lambda: BasicUNet(2, 1, 2, features=(32, 32, 64, 128, 256, 32)),
    "UNet 14-448, 5 M": lambda: UNet(2, 1, 2, tuple(14 * 2**i for i in range(6)), (2,) * 5, num_res_units=2),
}
REFERENCE = "SegResNet 8"
TRAINING_IMAGES, BATCH_SIZE, PEAK_LEARNING_RATE, TIMED_SIZE = 202, 16, 2e-3, 224


def load_images(dataset_dir: Path, size: int) -> tuple[Tensor, Tensor]:
    """All images that have a tumor mask: z-scored gray images and binary labels, both (N, 1, size, size)."""
    load = Compose(
        [
            LoadUltrasoundd(("image", "label")),
            Resized("image", (size, size), mode="bilinear", anti_aliasing=True),
            Resized("label", (size, size), mode="area"),
            AsDiscreted("label", threshold=0.5),
            NormalizeIntensityd("image"),
            ToTensord(("image", "label"), track_meta=False),
        ]
    )
    items = [load(record) for record in read_dataset(dataset_dir)]
    image, label = (torch.stack([item[key] for item in items]) for key in ("image", "label"))
    return image, label


def augment(image: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, rotate by up to 0.3 rad, scale by 0.8-1.2, shift by up to 0.15 of the half-width and add noise of 0.1."""
    count = len(image)

    def uniform(bound: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * bound

    angle, scale, shift_x, shift_y = uniform(0.3), 1 + uniform(0.2), uniform(0.15), uniform(0.15)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([flip * cos, -sin, shift_x], 1), torch.stack([flip * sin, cos, shift_y], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(image.shape), align_corners=False)
    image = functional.grid_sample(image, grid, align_corners=False)
    label = functional.grid_sample(label, grid, mode="nearest", align_corners=False)
    return image + 0.1 * torch.randn(image.shape, generator=generator), label


def segmentation_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of the foreground over the whole batch."""
    target = label[:, 0]
    foreground = logits.softmax(1)[:, 1]
    overlap = (2 * (foreground * target).sum() + 1) / (foreground.sum() + target.sum() + 1)
    return functional.cross_entropy(logits, target.long()) + 1 - overlap


def train(network: nn.Module, image: Tensor, label: Tensor, seed: int, epochs: int) -> None:
    """Train in place; batch order and augmentation follow from the seed alone."""
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE)
    steps = -(-len(image) // BATCH_SIZE) * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for index in torch.randperm(len(image), generator=generator).split(BATCH_SIZE):
            x, y = augment(image[index], label[index], generator)
            loss = segmentation_loss(network(x.contiguous(memory_format=torch.channels_last)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def dice_scores(network: nn.Module, image: Tensor, label: Tensor) -> list[float]:
    """Dice of the arg-max against the label, image by image."""
    network.eval()
    scores: list[float] = []
    with torch.inference_mode():
        for x, y in zip(image, label, strict=True):
            foreground = network(x[None]).argmax(1)
            scores.append((2 * (foreground * y).sum() / (foreground.sum() + y.sum())).item())
    return scores


def latencies(names: list[str], size: int, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds per forward pass, all networks and both layouts in turn within each round."""
    image = torch.randn(1, 1, size, size)
    formats = {"default": torch.contiguous_format, "channels_last": torch.channels_last}
    cases = {}
    for name in names:
        network = NETWORKS[name]().eval()
        for layout, memory_format in formats.items():
            cases[name, layout] = copy.deepcopy(network).to(memory_format=memory_format)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in cases}
    with torch.inference_mode():
        for round_number in range(rounds + rounds // 5):
            for key, network in cases.items():
                x = image.contiguous(memory_format=formats[key[1]])
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
    done = {(record["network"], record.get("seed")) for record in read_results(options.results)}
    wanted = [(name, seed) for name in options.networks for seed in options.seeds if (name, seed) not in done]
    image, label = load_images(options.dataset_dir, options.size) if wanted else (torch.empty(0), torch.empty(0))
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(options.split_seed))
    learn, test = order[:TRAINING_IMAGES], order[TRAINING_IMAGES:]
    for name, seed in wanted:
        torch.manual_seed(seed)
        network = NETWORKS[name]()
        start = time.perf_counter()
        train(network, image[learn], label[learn], seed, options.epochs)
        dice = dice_scores(network, image[test], label[test])
        minutes = (time.perf_counter() - start) / 60
        write_result(options.results, {"network": name, "seed": seed, "dice": dice, "minutes": minutes})
        print(
            f"{name}, seed {seed}: Dice {mean(dice):.3f} (median {median(dice):.3f}) in {minutes:.1f} min", flush=True
        )


def main() -> None:
    """Train what is missing from the results file, time every network, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", type=Path, help="folder of BrEaST as distributed")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--split_seed", type=int, default=1)
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
            parser.error("training needs --dataset_dir; without it, give --latency-only")
        train_missing(options)
    if not options.train_only:
        for record in latencies(options.networks, TIMED_SIZE, options.rounds):
            write_result(options.results, record)
        print(table(read_results(options.results)))


if __name__ == "__main__":
    main()
