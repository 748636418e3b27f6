# SPDX-License-Identifier: Apache-2.0
"""
The least that a training needs: all images as bytes in one tensor on the device, and a step that is one function.

View, student and loss are one graph, which ``torch.compile`` may compile. The supervised loss is that of the recipe,
with a mask in place of a choice of samples, because a graph has fixed shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from dice_loops import cached, mean_dice, reading, training_records, validation_loader
from dice_setup import RATE, Course, Distil, Setup
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import OneCycleLR

from monai_kd.networks import FlipAverage
from monai_kd.transforms.geometry import inside, warp
from monai_kd.utils.plain_tensor import plain

MEAN, DEVIATION = 114.5, 57.6


def masked_task(answer: Tensor, label: Tensor, labelled: Tensor) -> Tensor:
    """Cross-entropy and Dice of the lesion, over the samples that have a label."""
    mask = labelled.view(-1, 1, 1)
    pixels = mask.expand_as(label[:, 0]).sum().clamp(min=1)
    entropy = (cross_entropy(answer, label[:, 0].long(), reduction="none") * mask).sum() / pixels
    probability, truth = answer.softmax(1)[:, 1] * mask, label[:, 0] * mask
    overlap, both = (probability * truth).sum(), (probability + truth).sum()
    return (entropy + 1 - (2 * overlap + 1e-5) / (both + 1e-5)) * labelled.any()


def one_step(student: nn.Module, distil: nn.Module) -> Callable[..., Tensor]:
    """View, both networks' answers and the loss of a batch."""

    def step(image: Tensor, label: Tensor, target: Tensor, labelled: Tensor, theta: Tensor, gray: Tensor) -> Tensor:
        values = (image.float() - MEAN) / DEVIATION
        both = warp(torch.cat([values, label.float()], 1), theta)
        view = both[:, :1] * gray[0] + gray[1]
        view = view + gray[2] * torch.randn_like(view)
        answer = student(view)
        there = inside(theta, view.shape[2:])
        moved = torch.where(there, warp(target, theta, padding_mode="border"), answer.detach())
        return 0.3 * masked_task(answer, (both[:, 1:] > 0.5).float(), labelled) + 0.7 * distil(answer, moved)

    return step


def bytes_and_answers(setup: Setup) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, labels, the averaged teacher's answers, and which images have a label."""
    samples = list(cached(training_records(setup, pool=True), *reading(setup.side)))
    image = torch.stack([plain(sample["image"]) for sample in samples])
    with torch.inference_mode():
        target = torch.cat([FlipAverage(setup.teacher())(part) for part in image.split(setup.batch)])
    label = torch.stack([plain(sample["label"]) for sample in samples]).to(torch.uint8)
    labelled = torch.tensor([sample["labelled"] for sample in samples])
    return (image * DEVIATION + MEAN).round().to(torch.uint8), label, target.clone(), labelled


def compact(setup: Setup, seed: int, compiled: bool = False) -> Course:
    """A training by :func:`one_step`."""
    student, views, course = setup.student(seed), setup.views(), Course()
    image, label, target, labelled = bytes_and_answers(setup)
    generator = torch.Generator().manual_seed(seed)
    step = one_step(student, Distil())
    step = torch.compile(step) if compiled else step
    optimizer = torch.optim.AdamW(student.parameters(), RATE, fused=True)
    schedule = OneCycleLR(optimizer, RATE, total_steps=setup.epochs * setup.steps)
    order, checked, count = setup.order(seed, len(image)), validation_loader(setup), setup.batch

    def drawn(low: float, high: float, prob: float) -> Tensor:
        value, chosen = (torch.rand(count, 1, 1, 1, generator=generator) for _ in range(2))
        return torch.where(chosen < prob, low + (high - low) * value, (low + high) / 2)

    for _ in range(setup.epochs):
        student.train()
        for index in torch.tensor(list(order)).split(count):
            theta = views.student.draw(count, image.shape[2:], generator)
            noise = drawn(0, 0.2, 1.0) * (drawn(0, 1, 1.0) < 0.5)
            gray = torch.stack([drawn(0.7, 1.3, 0.8), drawn(-0.3, 0.3, 0.8), noise])
            optimizer.zero_grad()
            step(image[index], label[index], target[index], labelled[index], theta, gray).backward()
            optimizer.step()
            schedule.step()
        course.note(mean_dice(student, checked))
    return course
