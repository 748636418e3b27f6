# SPDX-License-Identifier: Apache-2.0
"""Small adversarial trainings for test_adversarial, by hand and in each of two processes."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from ignite.engine import Events
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.engines import distribute
from monai_kd.features import unwrap
from monai_kd.handlers import AdversarialLogitsHandler, HolisticHandler, ResumeHandler, SeedHandler
from monai_kd.networks import LogitsDiscriminator, PatchLogitsDiscriminator, SelfAttentionDiscriminator

CPU = torch.device("cpu")
PROCESSES = 2
METHODS = {
    "logits": {"handler": AdversarialLogitsHandler, "spatial_dims": 2},
    "logits, unsaturated": {
        "handler": AdversarialLogitsHandler,
        "spatial_dims": 2,
        "non_saturating": True,
        "class_weight": 0.5,
    },
    "logits, 3D": {"handler": AdversarialLogitsHandler, "spatial_dims": 3},
    "logits of samples": {"handler": AdversarialLogitsHandler, "spatial_dims": 0},
    "holistic": {"handler": HolisticHandler, "spatial_dims": 2},
    "holistic, hinge": {"handler": HolisticHandler, "spatial_dims": 2, "hinge": True},
    "holistic, no penalty": {"handler": HolisticHandler, "spatial_dims": 2, "penalty": 0.0},
    "holistic, 3D": {"handler": HolisticHandler, "spatial_dims": 3},
}
# Each process draws its own points between real and fake, so with the penalty two processes are not quite one.
DISTRIBUTED = ("logits", "holistic", "holistic, no penalty", "holistic, hinge")


def network(width, spatial_dims=2, seed=0):
    torch.manual_seed(seed)
    if spatial_dims == 0:
        return nn.Sequential(nn.Flatten(), nn.Linear(36, width), nn.ReLU(), nn.Linear(width, 2))
    conv = (nn.Conv2d, nn.Conv3d)[spatial_dims - 2]
    return nn.Sequential(conv(1, width, 3, padding=1), nn.ReLU(), conv(width, 2, 1))


def discriminator(method, seed=0):
    torch.manual_seed(seed)
    dims = METHODS[method]["spatial_dims"]
    if dims == 0:
        return LogitsDiscriminator(2, num_classes=2, channels=[8])
    if METHODS[method]["handler"] is HolisticHandler:
        return SelfAttentionDiscriminator(dims, in_channels=2, channels=(4, 8))
    return PatchLogitsDiscriminator(dims, in_channels=2, num_classes=2, channels=4, num_layers=1)


def critics_optimizer(critic):
    """With a state; not Adam, which makes steps of rounding errors (attention's key bias has no gradient)."""
    return torch.optim.SGD(critic.parameters(), 0.01, momentum=0.9)


def batches(spatial_dims=2, count=3, part=slice(None)):
    generator = torch.Generator().manual_seed(7)
    sides = [8] * spatial_dims or [6, 6]
    images = [torch.rand((4, 1, *sides), generator=generator) for _ in range(count)]
    labels = [(image > 0.5).float() if spatial_dims else (image.mean((1, 2, 3)) > 0.5).float() for image in images]
    return [{"image": i[part], "label": y[part]} for i, y in zip(images, labels, strict=True)]


def supervised(prediction, label):
    return F.cross_entropy(prediction, (label if prediction.ndim == 2 else label[:, 0]).long())


def make(method="holistic", data=None, wrap=lambda module: module, seed=0, handlers=lambda objects: (), **arguments):
    """A trainer, its adversarial handler and the weights of both sides."""
    settings = dict(METHODS[method])
    kind, dims = settings.pop("handler"), settings.pop("spatial_dims")
    student, critic = wrap(network(4, dims, seed)), wrap(discriminator(method, seed))
    adversary = kind(
        critic,
        critics_optimizer(critic),
        **settings,
        **{key: arguments.pop(key) for key in ("weight", "limit") if key in arguments},
    )
    optimizer = arguments.pop("optimizer", torch.optim.SGD(student.parameters(), 0.1))
    objects = {"network": student, "optimizer": optimizer, "adversary": adversary}
    trainer = DistillationTrainer(
        **{
            "network": student,
            "teacher": network(6, dims, seed=5),
            "pathways": Pathways(logits=Pathway(nn.L1Loss())),
            "optimizer": optimizer,
            "loss_function": supervised,
            "device": CPU,
            "max_epochs": 1,
            "train_data_loader": batches(dims) if data is None else data,
            "train_handlers": [SeedHandler(3), adversary, *handlers(objects)],
            **arguments,
        }
    )
    trainer.adversary = adversary
    return trainer


def weights(trainer):
    parts = {"student": unwrap(trainer.network), "critic": unwrap(trainer.adversary.discriminator)}
    return {f"{part}.{name}": v.clone() for part, m in parts.items() for name, v in m.state_dict().items()}


def class_entropy(answer, label):
    """Cross-entropy of the classes' shares, for patches of any size."""
    if answer.ndim == 2:
        return F.cross_entropy(answer, label.long())
    pool = (F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[answer.ndim - 4]
    lesion = pool(label, answer.shape[2:])
    return F.cross_entropy(answer, torch.cat([1 - lesion, lesion], dim=1))


def sides(method, critic, z_s, z_t, image, label):
    """The student's and the discriminator's objective as the papers write them; the latter of detached logits."""
    fixed = z_s.detach()
    if METHODS[method]["handler"] is HolisticHandler:
        # In the handler's order: each pass in training refines the spectral norm.
        student = -0.1 * critic(z_s, image).mean()

        def critics():
            real, fake = critic(z_t, image), critic(fixed, image)
            if METHODS[method].get("hinge"):
                return (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
            share = torch.rand(len(image), *[1] * (image.ndim - 1))
            between = (share * z_t + (1 - share) * fixed).requires_grad_()
            gradient = torch.autograd.grad(critic(between, image).sum(), between, create_graph=True)[0]
            return fake.mean() - real.mean() + 10 * ((gradient.square().flatten(1).sum(1).sqrt() - 1) ** 2).mean()

        return student, critics

    weight = METHODS[method].get("class_weight", 1.0)
    answer, classes = critic(z_s, image)
    real, fake = answer.sigmoid().log().mean(), (1 - answer.sigmoid()).log().mean()
    gain = -real if METHODS[method].get("non_saturating") else fake

    def teller():
        (real, real_classes), (fake, fake_classes) = critic(z_t, image), critic(fixed, image)
        told = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
        return told + weight * (class_entropy(real_classes, label) + class_entropy(fake_classes, label))

    return gain + weight * class_entropy(classes, label), teller


def by_hand(method, accumulate=1):
    """Three steps of the method as a textbook writes them."""
    dims = METHODS[method]["spatial_dims"]
    student, critic, teacher = network(4, dims), discriminator(method), network(6, dims, seed=5)
    students, critics = torch.optim.SGD(student.parameters(), 0.1), critics_optimizer(critic)
    data = batches(dims)
    torch.manual_seed(11)
    for i, batch in enumerate(data):
        image, label = batch["image"], batch["label"]
        if i % accumulate == 0:
            students.zero_grad()
            critics.zero_grad()
        z_s, z_t = student(image), teacher(image).detach()
        term, objective = sides(method, critic, z_s, z_t, image, label)
        loss = supervised(z_s, label) + (z_s - z_t).abs().mean() + term
        gradients = torch.autograd.grad(loss / accumulate, list(student.parameters()))
        for parameter, gradient in zip(student.parameters(), gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        (objective() / accumulate).backward()
        if (i + 1) % accumulate == 0 or i + 1 == len(data):
            critics.step()
            students.step()
    return {f"{n}.{k}": v for n, m in (("student", student), ("critic", critic)) for k, v in m.state_dict().items()}


def gradients_and_weights(trainer):
    """The gradients of the first step and the weights after the last."""
    parts = {"student": unwrap(trainer.network), "critic": unwrap(trainer.adversary.discriminator)}
    first = {}

    @trainer.on(Events.ITERATION_COMPLETED(once=1))
    def copy_gradients(engine):
        first.update({f"{part}.{k}": p.grad.clone() for part, m in parts.items() for k, p in m.named_parameters()})

    trainer.run()
    return {"gradients": first, "weights": weights(trainer)}


def resume_in_both(folder, method, **arguments):
    """Break off in the second epoch, go on in new objects."""

    def handlers(objects):
        return [ResumeHandler(folder / f"{method}.pt", objects)]

    broken = make(method, max_epochs=2, handlers=handlers, **arguments)
    broken.add_event_handler(Events.ITERATION_COMPLETED(once=4), lambda engine: 1 / 0)
    with contextlib.suppress(ZeroDivisionError):
        broken.run()
    dist.barrier()
    resumed = make(method, max_epochs=2, seed=77, handlers=handlers, **arguments)
    resumed.run()
    return weights(resumed)


def failure(trainer):
    try:
        trainer.run()
    except ValueError as error:
        return str(error)
    return "none"


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(minutes=2),  # a lost process fails the test soon, not after half an hour
    )
    data = batches(part=slice(2 * rank, 2 * rank + 2))
    both = {"data": data, "wrap": lambda module: distribute(module, CPU)}
    results = {method: gradients_and_weights(make(method, **both)) for method in DISTRIBUTED}
    whole = make("holistic", max_epochs=2, **both)
    whole.run()
    results |= {"whole": weights(whole), "resumed": resume_in_both(folder, "holistic", **both)}
    try:
        make("holistic", data, wrap=lambda module: module)
    except ValueError as error:
        results["refusal"] = str(error)
    # In the first part of a step, before the processes' gradients are judged.
    broken = [{**batch, "image": batch["image"] * (float("nan") if rank else 1)} for batch in data]
    results["broken images"] = failure(make("holistic", broken, wrap=both["wrap"], accumulation_steps=2))
    large = [{**batch, "image": batch["image"] * (1e9 if rank else 1)} for batch in data]
    results["divergence"] = failure(make("holistic", large, wrap=both["wrap"], accumulation_steps=2))
    torch.save(results, folder / f"results {rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
