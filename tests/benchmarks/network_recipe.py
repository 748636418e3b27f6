# SPDX-License-Identifier: Apache-2.0
"""The training recipe of the network benchmark: the same data, augmentation, loss and schedule for every network."""

from __future__ import annotations

from pathlib import Path

import torch
from monai.transforms import AsDiscreted, Compose, NormalizeIntensityd, Resized, ToTensord
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.data import LoadUltrasoundd, read_dataset

BATCH_SIZE, PEAK_LEARNING_RATE = 16, 2e-3


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
