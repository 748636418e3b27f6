# SPDX-License-Identifier: Apache-2.0
"""Views, smooth images, and a network that is equivariant to them."""

import copy

import torch
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.losses import LogitsKLLoss
from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandGaussianNoise, BatchRandScaleCrop, View

CPU = torch.device("cpu")
SIZES = {2: (64, 48), 3: (24, 20, 28)}


def affine(dims=2):
    return BatchRandAffine(1.0, [0.3] * (1 if dims == 2 else 3), [3.0] * dims, [0.1] * dims)


def strong(dims=2, noise=0.5):
    return View([BatchRandScaleCrop(0.8), BatchRandFlip(0.5), affine(dims)], [BatchRandGaussianNoise(noise, std=0.3)])


def weak():
    return View([BatchRandScaleCrop(0.9), BatchRandFlip(0.5, 0)])


def smooth_batch(dims=2, count=4):
    axes = torch.meshgrid(*[torch.linspace(-2, 2, side) for side in SIZES[dims]], indexing="ij")
    image = torch.stack([sum((axis + i).sin() for axis in axes) for i in range(count)])[:, None]
    # Dark towards the border, so that the zero padding outside continues the image.
    image = image * torch.stack([torch.cos(axis * torch.pi / 4) for axis in axes]).prod(0)
    return {"image": image, "label": (image > 0.5).float()}


def network(dims=2):
    """Equivariant to translation, rotation and mirroring: every output pixel depends on its own input pixel alone."""
    torch.manual_seed(0)
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    return nn.Sequential(conv(1, 6, 1), nn.Tanh(), conv(6, 2, 1))


def trainer(views, batches, student=None, teacher=None, pathways=None, **kwargs):
    student = student or network()
    arguments = {
        "network": student,
        "teacher": copy.deepcopy(student) if teacher is None else teacher,
        "pathways": pathways or Pathways(logits=Pathway(LogitsKLLoss())),
        "optimizer": torch.optim.SGD(student.parameters(), 0.0),
        "loss_function": lambda pred, label: (pred * 0).sum(),
        "device": CPU,
        "max_epochs": 1,
        "train_data_loader": batches,
        "prepare_batch": views,
    }
    return DistillationTrainer(**{**arguments, **kwargs})
