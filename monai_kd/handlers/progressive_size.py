# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine, Events

__all__ = ["ProgressiveSizeHandler"]


class ProgressiveSizeHandler:
    """
    Trains on small views first and on larger ones later, because a small view takes less time.

    Each size gets the same number of epochs, and the last one the rest. The size follows from the epoch alone, so a
    resumed run equals an uninterrupted one. A cached teacher keeps its answers at full size, and they are moved onto
    the smaller grid.

    Args:
        sizes: spatial sizes of the student's view, in order; the student must accept each. The last one is usually the
            size of the images.

    Raises:
        ValueError: When there is no size; at ``attach``, when the trainer's ``prepare_batch`` is no
            :class:`monai_kd.engines.PrepareBatchViews`.

    Example:
        >>> from types import SimpleNamespace
        >>> trainer, views, seen = Engine(lambda engine, batch: seen.append(views.size)), SimpleNamespace(size=None), []
        >>> trainer.prepare_batch = views
        >>> ProgressiveSizeHandler([[32, 32], [64, 64]]).attach(trainer)
        >>> _ = trainer.run([0], max_epochs=5)
        >>> seen
        [[32, 32], [32, 32], [32, 32], [64, 64], [64, 64]]
    """

    def __init__(self, sizes: Sequence[Sequence[int]]) -> None:
        if not sizes:
            raise ValueError("sizes is empty. Give the spatial sizes of the views, such as [[64, 64], [96, 96]].")
        self.sizes = sizes

    def attach(self, engine: Engine) -> None:
        """Set the size at the start of each epoch of ``engine``, a trainer."""
        prepare_batch = getattr(engine, "prepare_batch", None)
        if not hasattr(prepare_batch, "size"):
            raise ValueError(
                f"The trainer's prepare_batch is a {type(prepare_batch).__name__}, which makes no views. Give the "
                "trainer prepare_batch=PrepareBatchViews(...)."
            )
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        trainer: Any = engine
        epochs = engine.state.max_epochs or 1
        trainer.prepare_batch.size = self.sizes[(engine.state.epoch - 1) * len(self.sizes) // epochs]
