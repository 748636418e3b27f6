# SPDX-License-Identifier: Apache-2.0
"""Two processes on half of each batch train as one process on the whole."""

import multiprocessing
import signal
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from ignite.engine import Events
from torch import nn

from monai_kd.engines import distribute, join_processes
from monai_kd.engines.distributed import name_lost_process
from tests.engines.two_processes import CPU, PROCESSES, adapted, batches, lose, make, network, train, work
from tests.helpers import assert_identical


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    for rank in range(PROCESSES):
        (folder / f"saved by {rank}").mkdir()
    multiprocessing.set_forkserver_preload([work.__module__])
    torch.multiprocessing.start_processes(work, (folder,), nprocs=PROCESSES, start_method="forkserver")
    results = [torch.load(folder / f"results {rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return SimpleNamespace(folder=folder, results=results)


@pytest.fixture(scope="module")
def alone():
    return train(make(batches(), lambda module: distribute(module, CPU)))


def test_the_overlay_without_torchrun_is_refused(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match=r"torchrun did not start this one\. Write: torchrun --nproc_per_node=2 -m"):
        join_processes("cpu", 600)


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


def test_a_part_without_gradient_is_named_before_processes_wait_for_it(both):
    for result in both.results:
        assert result["unused"].startswith("2 weights of the student get no gradient")
        assert "'auxiliary'" in result["unused"] and "find_unused_parameters=True" in result["unused"]


def test_a_part_without_gradient_may_be_looked_for(both):
    first, second = (result["unused found"] for result in both.results)
    assert_identical(first, second)


def test_only_what_has_weights_to_train_is_wrapped(both):
    for result in both.results:
        assert result["wrapped"] and result["weightless bare"] and result["frozen bare"]


def test_one_process_needs_no_wrapper():
    module = adapted()
    assert distribute(module, CPU) is module
    meta = distribute(nn.Linear(1, 1), torch.device("meta"))
    assert meta.weight.device.type == "meta"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["ended", "stands still"])
def test_a_lost_process_ends_the_other_with_a_message(how, tmp_path):
    multiprocessing.set_forkserver_preload([work.__module__])
    context = multiprocessing.get_context("forkserver")
    first, second = (context.Process(target=lose, args=(rank, tmp_path, how)) for rank in range(PROCESSES))
    first.start()
    second.start()
    try:
        first.join(300)  # by itself it would wait for half an hour
        assert first.exitcode == 0
    finally:
        for process in (first, second):
            process.kill()
            process.join()
    said = (tmp_path / "said.txt").read_text()
    assert said.startswith("Process 0 of 2 lost the connection to another process, which has ended or does not respond")
    assert "Run the same command again" in said


LOST = [
    "[/pytorch/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:10895",
    "[../third_party/gloo/gloo/transport/tcp/pair.cc:589] Read error [10.0.0.2]:25266: Connection reset by peer",
    "[/pytorch/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation",
    "NCCL error in: NCCLUtils.hpp:268, remote process exited or there was a network error, NCCL version 2.21.5\n"
    "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.",
    "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=880, Timeout(ms)=1800000) "
    "ran for 1800778 milliseconds before timing out.",
    "NCCL error: ncclInternalError: Internal check failed.\nLast error:\nNet : Call to recv from 10.0.0.2 failed : "
    "Broken pipe",
    "Application timeout caused pair closure",
]
OWN = [
    "NCCL error in: NCCLUtils.hpp:275, invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version 2.20.5\n"
    "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\n"
    "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 10",
    "NCCL error in: NCCLUtils.hpp:317, unhandled cuda error (run with NCCL_DEBUG=INFO for details)\n"
    "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nFailed to CUDA calloc async 608 bytes",
    "NCCL error: ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error. "
    "It can be also caused by unexpected exit of a remote peer, you can check NCCL warnings for failure reason and see "
    "if there is connection closure by a peer.\nLast error:\nError creating shared memory segment /dev/shm/nccl-a",
    "[enforce fail at /pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:454] preamble.length <= op.nbytes. 8 vs 4",
    "DataLoader timed out after 5 seconds",
]


@pytest.mark.parametrize(("text", "kind"), [(t, ConnectionError) for t in LOST] + [(t, RuntimeError) for t in OWN])
def test_only_what_tells_of_a_lost_process_is_called_so(text, kind, tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with pytest.raises(kind) as caught, name_lost_process():
            raise RuntimeError(text)
    finally:
        dist.destroy_process_group()
    assert text.splitlines()[0] in str(caught.value)
    assert ("lost the connection to another process" in str(caught.value)) == (kind is ConnectionError)


def test_a_lost_store_is_a_lost_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    text = "Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?"
    try:
        with pytest.raises(ConnectionError, match="lost the connection"), name_lost_process():
            raise dist.DistNetworkError(text)
    finally:
        dist.destroy_process_group()


def test_an_error_of_ones_own_is_no_lost_process():
    trainer = make(batches(), lambda module: distribute(module, CPU))
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.run()
