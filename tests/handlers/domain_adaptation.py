# SPDX-License-Identifier: Apache-2.0
"""Bright disks in noise in two domains, and a tiny network that adapts to the second, in one process or two."""

from datetime import timedelta

import torch
import torch.distributed as dist
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from monai.transforms import Compose, RandGaussianNoised
from torch import nn

from monai_kd.engines import distribute
from monai_kd.features import unwrap
from monai_kd.handlers import SeedHandler, TrajectoryHandler

CPU = torch.device("cpu")
PROCESSES = 2


def disks(count, seed, brighter=0.0, dims=2, side=16):
    """Images and labels; ``brighter`` is added to the whole image."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.stack(torch.meshgrid([torch.arange(side)] * dims, indexing="ij")).float()
    center = torch.rand((count, dims, *[1] * dims), generator=generator) * (side - 8) + 4
    radius = 2.5 + 2 * torch.rand((count, 1, *[1] * dims), generator=generator)
    label = ((grid - center).square().sum(1, keepdim=True) < radius**2).float()
    return label + brighter + 0.3 * torch.randn(label.shape, generator=generator), label


def network(seed=1, dims=2, width=4):
    torch.manual_seed(seed)
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    layers = [conv(1, width, 3, padding=1), nn.ReLU(), conv(width, width, 3, padding=1), nn.ReLU(), conv(width, 2, 1)]
    return nn.Sequential(*layers)


def samples(image, label=None):
    return [
        {"image": x, "label": y} for x, y in zip(image, [None] * len(image) if label is None else label, strict=True)
    ]


def source(count=8, part=slice(None), batch_size=4, dims=2):
    """Batches, in order."""
    image, label = disks(count, 1, dims=dims)
    return [
        {"image": image[i : i + batch_size][part], "label": label[i : i + batch_size][part]}
        for i in range(0, count, batch_size)
    ]


def target(count=8, dims=2, noise=0.1):
    """Unlabelled, with a random transform."""
    transform = Compose([RandGaussianNoised("image", prob=1.0, std=noise)])
    return Dataset(samples(disks(count, 2, 0.3, dims)[0]), transform)


def trainer(student, data, handlers=(), max_epochs=3, optimizer=None, **arguments):
    return SupervisedTrainer(
        device=CPU,
        max_epochs=max_epochs,
        train_data_loader=data,
        network=student,
        optimizer=optimizer or torch.optim.SGD(student.parameters(), 0.1),
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        train_handlers=list(handlers),
        decollate=False,
        **arguments,
    )


def dice(student, image, label):
    with torch.no_grad():
        predicted = student(image).argmax(1, keepdim=True)
    return (2 * (predicted * label).sum() / (predicted.sum() + label.sum())).item()


def adapted(seed, brighter, **arguments):
    """Dice in both domains after training on dark disks and, with arguments, adaptation to bright ones."""
    student = network(seed, width=8)
    data = DataLoader(samples(*disks(32, 1)), batch_size=8, shuffle=True)
    handlers = [SeedHandler(seed)]
    if arguments:
        handlers.append(TrajectoryHandler(student, samples(disks(32, 2, brighter)[0]), **arguments))
    optimizer = torch.optim.Adam(student.parameters(), 5e-3)
    trainer(student, data, handlers, max_epochs=15, optimizer=optimizer).run()
    return dice(student, *disks(32, 3)), dice(student, *disks(32, 3, brighter))


def train(data, wrap=lambda module: module):
    """Weights, last gradients and the handler's state; the target is one image, so all processes draw the same."""
    student = wrap(network())
    one = samples(disks(1, 2, 0.3)[0])
    arguments = {"head": "4", "self_layers": ["2", "4"], "warmup": 0, "refills": 1, "most": 3}
    handler = TrajectoryHandler(student, one, weight=1e5, self_weight=0.5, **arguments)
    run, gradients = trainer(student, data, [handler]), {}

    @run.on(IterationEvents.BACKWARD_COMPLETED)
    def keep(engine):
        gradients.update({name: p.grad.clone() for name, p in unwrap(student).named_parameters()})

    run.run()
    weights = {name: p.detach().clone() for name, p in unwrap(student).named_parameters()}
    return {"weights": weights, "gradients": gradients, "state": handler.state_dict()}


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES, timeout=timedelta(minutes=2)
    )
    result = train(source(part=slice(2 * rank, 2 * rank + 2)), lambda module: distribute(module, CPU))
    handler = TrajectoryHandler(network(), target(20), "4")
    torch.manual_seed(0)
    handler.target.restart()
    torch.save({**result, "drawn": handler.target.draw(4)}, folder / f"results {rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
