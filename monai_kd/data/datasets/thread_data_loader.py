# SPDX-License-Identifier: Apache-2.0
"""MONAI's data loader in a thread, with its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import monai.data
from monai.data import DataLoader
from monai.data.thread_buffer import ThreadBuffer
from torch.utils.data import IterableDataset

__all__ = ["ThreadDataLoader"]


class ThreadDataLoader(monai.data.ThreadDataLoader):
    """
    MONAI's ``ThreadDataLoader``, but errors of the thread reach the run.

    In MONAI's loader, an error ends the thread silently: the iterator ends, and the engine restarts with the first
    batch. This loader yields the batches before the error and then raises it. It also raises an error if the data end
    before ``len(loader)`` batches. The thread ends with the iteration, even if that is broken off.

    Args:
        buffer_size: number of batches prepared in advance.
        buffer_timeout: seconds between two checks whether the buffer has room, or the run was broken off.
        repeats: how often each batch is yielded.
        use_thread_workers: whether the workers are threads instead of processes.
        kwargs: of ``torch.utils.data.DataLoader``: ``batch_size``, ``shuffle``, ``num_workers``, …

    Raises:
        RuntimeError: In the iteration, when the data end too early. Errors of the thread are raised unchanged.

    Example:
        >>> from monai.data import Dataset
        >>> def load(number):
        ...     if number == 2:
        ...         raise ValueError("scan2.png is damaged.")
        ...     return number
        >>> try:
        ...     for batch in ThreadDataLoader(Dataset([0, 1, 2, 3], load), batch_size=1, num_workers=0):
        ...         print(batch)
        ... except RuntimeError as error:  # MONAI's, of the transform that failed
        ...     print(error.__cause__)
        tensor([0])
        tensor([1])
        scan2.png is damaged.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # MONAI's is a generator, too
        for batch in _Buffer(self._batches(), self.buffer_size, self.buffer_timeout):
            for _ in range(self.repeats):
                yield batch

    def _batches(self) -> Iterator[Any]:
        count = 0
        for batch in DataLoader.__iter__(self):
            count += 1
            yield batch
        # The length of an iterable data set may be a guess; the length of a sampler is not.
        if not isinstance(self.dataset, IterableDataset) and count < len(self):
            raise RuntimeError(
                f"The data ended after {count} of {len(self)} batches. Check the lengths of data set and sampler, and "
                "that no transform raises StopIteration."
            )


class _Buffer(ThreadBuffer):
    """A buffer that passes on the error that ended its thread."""

    error: BaseException | None = None

    def enqueue_values(self) -> None:
        try:
            super().enqueue_values()  # type: ignore[no-untyped-call]
        except BaseException as error:
            self.error = error

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()  # type: ignore[no-untyped-call]
        if self.error is not None:
            error, self.error = self.error, None
            raise error
