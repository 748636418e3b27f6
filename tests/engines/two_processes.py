# SPDX-License-Identifier: Apache-2.0
"""What each of two processes does in test_distributed, and one alone."""

import os
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from ignite.engine import Events
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.engines import distribute
from monai_kd.features import unwrap
from monai_kd.handlers import AtomicCheckpointSaver, ResumeHandler, SeedHandler
from monai_kd.losses import HiddenKLLoss, LogitsKLLoss, NoiseAdaptationLoss
from monai_kd.networks import ChannelAdapter, FeatureRegressor

CPU = torch.device("cpu")
PROCESSES = 2


def network(width, seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.InstanceNorm2d(width), nn.ReLU(), nn.Conv2d(width, 2, 1))


def adapted(seed=1):
    torch.manual_seed(seed)
    return Pathways(
        logits=Pathway(LogitsKLLoss(), weight=0.5),
        hint=Pathway(nn.MSELoss(), "0", student_adapter=ChannelAdapter(2, 4, 6)),
        regressed=Pathway(HiddenKLLoss(), "0", student_adapter=FeatureRegressor(2, 4, 6)),
        noisy_label=Pathway(NoiseAdaptationLoss(2)),
    )


def batches(part=slice(None)):
    generator = torch.Generator().manual_seed(7)
    images = [torch.rand((4, 1, 16, 16), generator=generator) for _ in range(3)]
    return [{"image": image[part], "label": (image[part] > 0.5).float()} for image in images]


def make(data, wrap, seed=1, handlers=lambda objects: (), **arguments):
    student, pathways = wrap(network(4, seed)), wrap(adapted(seed))
    optimizer = torch.optim.SGD([*student.parameters(), *pathways.parameters()], 0.1)
    return DistillationTrainer(
        network=student,
        teacher=network(6, 5),
        pathways=pathways,
        optimizer=optimizer,
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=CPU,
        max_epochs=2,
        train_data_loader=data,
        train_handlers=handlers({"network": student, "pathways": pathways, "optimizer": optimizer}),
        **arguments,
    )


def train(trainer):
    """The weights before and after, and the gradients of the first step."""
    parts = {"student": unwrap(trainer.network), "pathways": unwrap(trainer.pathways)}
    states = {"initial": {}, "gradients": {}, "final": {}}

    def copy(state, of):
        for part, module in parts.items():
            states[state] |= {f"{part}.{name}": of(p).detach().clone() for name, p in module.named_parameters()}

    copy("initial", lambda parameter: parameter)

    @trainer.on(IterationEvents.BACKWARD_COMPLETED)
    def copy_gradients(engine):
        if engine.state.iteration == 1:
            copy("gradients", lambda parameter: parameter.grad)

    trainer.run()
    copy("final", lambda parameter: parameter)
    return states


def resume_in_both(folder, data, wrap):
    """Stop in the second epoch, and resume in new objects."""

    def handlers(objects):
        return [ResumeHandler(folder / "last.pt", objects)]

    broken = make(data, wrap, handlers=handlers)
    broken.add_event_handler(Events.ITERATION_COMPLETED(once=4), lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.run()
    dist.barrier()
    return train(make(data, wrap, seed=77, handlers=handlers))["final"]


def save_in_both(folder, data, wrap):
    """Each process would write to a folder of its own."""

    def handlers(objects):
        arguments = {"save_final": True, "save_interval": 1}
        return [AtomicCheckpointSaver(str(folder), objects, **arguments), ResumeHandler(folder / "last.pt", objects)]

    make(data, wrap, handlers=handlers).run()


def draw(data, wrap):
    """The first random number of each epoch."""
    seen = []
    trainer = make(data, wrap, handlers=lambda objects: [SeedHandler(3)])
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: seen.append(torch.rand(1).item()))
    trainer.run()
    return seen


def refusal(data):
    with pytest.raises(ValueError) as error:
        make(data, lambda module: module if isinstance(module, Pathways) else distribute(module, CPU))
    return str(error.value)


def unused(data, **arguments):
    """The weights of a student with a part that gets no gradient, or the message."""
    torch.manual_seed(1)
    student = nn.ModuleDict({"body": network(4, 1), "auxiliary": nn.Conv2d(2, 2, 1)})
    student.forward = student["body"].forward
    wrapped = distribute(student, CPU, **arguments)
    trainer = DistillationTrainer(
        network=wrapped,
        teacher=network(6, 5),
        pathways=Pathways(logits=Pathway(LogitsKLLoss())),
        optimizer=torch.optim.SGD(wrapped.parameters(), 0.1),
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        device=CPU,
        max_epochs=1,
        train_data_loader=data,
    )
    try:
        trainer.run()
    except ValueError as error:
        return str(error)
    return {name: value.clone() for name, value in student.state_dict().items()}


def lose(rank, folder, how):
    """The second process ends or hangs in the middle of an epoch; the first writes its error to a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=5),
    )
    trainer = make(batches(slice(2 * rank, 2 * rank + 2)), lambda module: distribute(module, CPU))
    if rank == 1:
        trainer.add_event_handler(Events.ITERATION_STARTED(once=3), lambda engine: os.kill(os.getpid(), how))
    with pytest.raises(ConnectionError) as error:
        trainer.run()
    (folder / "said.txt").write_text(str(error.value))
    os._exit(0)  # the process group cannot be destroyed properly any more


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES, timeout=timedelta(minutes=2)
    )
    data = batches(slice(2 * rank, 2 * rank + 2))

    def wrap(module):
        return distribute(module, CPU)

    results = {
        "trained": train(make(data, wrap)),
        "resumed": resume_in_both(folder, data, wrap),
        "drawn": draw(data, wrap),
        "refusal": refusal(data),
        "unused": unused(data),
        "unused found": unused(data, find_unused_parameters=True),
        "wrapped": isinstance(wrap(adapted()), DistributedDataParallel),
        "weightless bare": isinstance(wrap(Pathways(logits=Pathway(LogitsKLLoss()))), Pathways),
        "frozen bare": isinstance(wrap(network(4, 0).requires_grad_(False)), nn.Sequential),
    }
    save_in_both(folder / f"saved by {rank}", data, wrap)
    torch.save(results, folder / f"results {rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
