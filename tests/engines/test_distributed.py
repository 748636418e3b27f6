# SPDX-License-Identifier: Apache-2.0
"""Two processes on half of each batch train as one process on the whole."""

import multiprocessing
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from ignite.engine import Events
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_kd import DistillationTrainer, LogitsKLLoss, Pathway, Pathways
from monai_kd.engines import distribute
from monai_kd.features import unwrap
from monai_kd.handlers import AtomicCheckpointSaver, ResumeHandler, SeedHandler
from monai_kd.networks import ChannelAdapter
from tests.checks import assert_identical

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
    """Break off in the second epoch, go on in new objects."""

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


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES)
    data = batches(slice(2 * rank, 2 * rank + 2))

    def wrap(module):
        return distribute(module, CPU)

    results = {
        "trained": train(make(data, wrap)),
        "resumed": resume_in_both(folder, data, wrap),
        "drawn": draw(data, wrap),
        "refusal": refusal(data),
        "wrapped": isinstance(wrap(adapted()), DistributedDataParallel),
        "weightless bare": isinstance(wrap(Pathways(logits=Pathway(LogitsKLLoss()))), Pathways),
        "frozen bare": isinstance(wrap(network(4, 0).requires_grad_(False)), nn.Sequential),
    }
    save_in_both(folder / f"saved by {rank}", data, wrap)
    torch.save(results, folder / f"results {rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    for rank in range(PROCESSES):
        (folder / f"saved by {rank}").mkdir()
    multiprocessing.set_forkserver_preload([__name__])
    torch.multiprocessing.start_processes(work, (folder,), nprocs=PROCESSES, start_method="forkserver")
    results = [torch.load(folder / f"results {rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return SimpleNamespace(folder=folder, results=results)


@pytest.fixture(scope="module")
def alone():
    return train(make(batches(), lambda module: distribute(module, CPU)))


def test_the_run_is_worth_comparing(alone):
    assert any(name.startswith("pathways.") for name in alone["final"])
    for name, weight in alone["final"].items():
        assert alone["gradients"][name].abs().sum() > 0
        assert not torch.equal(weight, alone["initial"][name])


@pytest.mark.parametrize("state", ["initial", "gradients", "final"])
def test_both_processes_hold_the_same(both, state):
    first, second = (result["trained"][state] for result in both.results)
    assert_identical(first, second)


@pytest.mark.parametrize("state", ["initial", "gradients", "final"])
def test_two_processes_equal_one_on_the_whole_batch(both, alone, state):
    for result in both.results:
        torch.testing.assert_close(result["trained"][state], alone[state], rtol=1e-4, atol=1e-6)


def test_half_of_the_batch_alone_has_other_gradients(alone):
    half = train(make(batches(slice(0, 2)), lambda module: module))
    assert all(
        not torch.allclose(half["gradients"][k], v, rtol=1e-2) for k, v in alone["gradients"].items() if v.ndim > 1
    )


def test_resumed_processes_equal_one_go(both):
    for result in both.results:
        assert_identical(result["resumed"], result["trained"]["final"])


def test_the_first_process_alone_writes(both):
    first, second = (sorted(path.name for path in (both.folder / f"saved by {rank}").iterdir()) for rank in range(2))
    assert first == ["checkpoint_epoch=1.pt", "checkpoint_epoch=2.pt", "checkpoint_final_iteration=6.pt", "last.pt"]
    assert second == []


def test_checkpoint_of_two_processes_fits_one(both):
    saved = torch.load(both.folder / "saved by 0" / "checkpoint_final_iteration=6.pt", weights_only=True)
    network(4, 0).load_state_dict(saved["network"])
    adapted().load_state_dict(saved["pathways"])
    last = torch.load(both.folder / "last.pt", weights_only=True)["objects"]
    assert_identical(last["network"], saved["network"])
    adapted().load_state_dict(last["pathways"])


def test_processes_and_epochs_draw_differently(both):
    numbers = [number for result in both.results for number in result["drawn"]]
    assert len(set(numbers)) == len(numbers) == 4


def test_weights_that_each_process_would_train_alone_are_refused(both):
    for result in both.results:
        assert result["refusal"] == (
            "The pathways have weights and training is distributed: every process would train its own. "
            "Wrap them: monai_kd.engines.distribute(pathways, device)."
        )


def test_only_what_has_weights_to_train_is_wrapped(both):
    for result in both.results:
        assert result["wrapped"] and result["weightless bare"] and result["frozen bare"]


def test_one_process_needs_no_wrapper():
    module = adapted()
    assert distribute(module, CPU) is module
    meta = distribute(nn.Linear(1, 1), torch.device("meta"))
    assert meta.weight.device.type == "meta"
