# SPDX-License-Identifier: Apache-2.0
import gc
import threading
import time

import monai.data
import pytest
import torch
from ignite.engine import Engine
from monai.data import Dataset, IterableDataset
from torch.utils.data import Sampler

from monai_kd.data import ThreadDataLoader


class Damaged(ValueError):
    pass


def loading(bad=(), error=Damaged):
    def load(number):
        if number in bad:
            raise error(f"scan{number}.png is damaged.")
        return torch.tensor(number)

    return load


def taken(loader):
    """All batches before the end or the error, and the error."""
    batches = []
    try:
        for batch in loader:
            batches.append(batch.tolist())
    except Exception as error:
        return batches, error
    return batches, None


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    # The queues of worker processes close in their own time.
    for _ in range(100):
        gc.collect()
        if set(threading.enumerate()) <= before:
            return
        time.sleep(0.05)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("arguments", [{}, {"buffer_size": 3}, {"repeats": 2}, {"drop_last": True}], ids=str)
def test_good_data_are_as_monais(arguments):
    data = Dataset(list(range(7)), loading())
    loaders = (kind(data, batch_size=2, **arguments) for kind in (ThreadDataLoader, monai.data.ThreadDataLoader))
    ours, theirs = map(taken, loaders)
    assert ours == theirs
    assert ours[0]


@pytest.mark.parametrize("place", [0, 1, 3, 4])
@pytest.mark.parametrize("buffer_size", [1, 10])
def test_an_error_comes_in_its_place(place, buffer_size):
    batches, error = taken(ThreadDataLoader(Dataset(range(5), loading([place])), batch_size=1, buffer_size=buffer_size))
    assert batches == [[number] for number in range(place)]
    assert f"scan{place}.png is damaged" in str(error.__cause__ or error)


def test_an_error_in_a_worker_comes_too():
    batches, error = taken(ThreadDataLoader(Dataset(range(5), loading([3])), batch_size=1, num_workers=2))
    assert batches == [[0], [1], [2]]
    assert "scan3.png is damaged" in str(error)


class Failing(torch.utils.data.Dataset):
    """The third item raises an error that MONAI does not wrap."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise self.error
        return index


@pytest.mark.parametrize("kind", [Damaged, KeyError, MemoryError, SystemExit, KeyboardInterrupt])
def test_every_kind_of_error_comes(kind):
    with pytest.raises(kind):
        list(ThreadDataLoader(Failing(kind)))


def test_a_second_iteration_fails_as_the_first():
    loader = ThreadDataLoader(Dataset(range(3), loading([1])))
    assert [taken(loader)[0] for _ in range(2)] == [[[0]], [[0]]]


class Less(Sampler):
    def __iter__(self):
        return iter([0, 1])

    def __len__(self):
        return 3


@pytest.mark.parametrize(
    ("data", "arguments", "count"),
    [(Failing(StopIteration), {}, "2 of 4"), (list(range(3)), {"sampler": Less()}, "2 of 3")],
)
def test_data_that_end_too_early_are_an_error(data, arguments, count):
    batches, error = taken(ThreadDataLoader(data, batch_size=1, **arguments))
    assert batches == [[0], [1]]
    assert f"ended after {count} batches" in str(error)


def test_data_without_a_length_end_where_they_end():
    assert taken(ThreadDataLoader(IterableDataset(range(3), loading()), batch_size=2)) == ([[0, 1], [2]], None)


def test_an_iteration_that_is_broken_off_leaves_no_thread():
    for batch in ThreadDataLoader(Dataset(range(50), loading()), batch_size=1):
        if batch == 2:
            break
    iterator = iter(ThreadDataLoader(Dataset(range(50), loading()), batch_size=1))
    assert next(iterator) == 0
    del iterator  # a fixture checks for remaining threads


@pytest.mark.parametrize("fails", ["step", "data"])
def test_an_engine_ends_with_the_error_and_begins_nothing_anew(fails):
    seen = []

    def step(engine, batch):
        seen.append(int(batch))
        if fails == "step" and batch == 2:
            raise Damaged

    data = Dataset(range(5), loading([3] if fails == "data" else []))
    with pytest.raises((Damaged, RuntimeError)):
        Engine(step).run(ThreadDataLoader(data, batch_size=1), max_epochs=2)
    assert seen == [0, 1, 2]


def test_each_epoch_has_every_batch_once():
    seen = []
    Engine(lambda engine, batch: seen.append(int(batch))).run(
        ThreadDataLoader(Dataset(range(4), loading()), batch_size=1), max_epochs=3
    )
    assert seen == [0, 1, 2, 3] * 3
