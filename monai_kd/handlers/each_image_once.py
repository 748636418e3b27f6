# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine, Events

from monai_kd.utils.messages import first_few
from monai_kd.utils.processes import gather

__all__ = ["EachImageOnceHandler", "ids_of_part", "require_each_once"]


class EachImageOnceHandler:
    """
    Ends a validation that did not see every image of its data set, or saw one twice.

    A mean over other images than those of the part is no score of it. In distributed training the images of all
    processes count together. Attach it to the evaluator before whatever keeps weights or scores.

    Raises:
        ValueError: In the run, when the data set's records share an id, or the images that came are not its images.

    Example:
        >>> from monai.data import DataLoader, Dataset
        >>> engine = Engine(lambda engine, batch: None)
        >>> EachImageOnceHandler().attach(engine)
        >>> loader = DataLoader(Dataset([{"id": "1"}, {"id": "2"}]), batch_size=1)
        >>> _ = engine.run(loader)
        >>> engine.run(loader, epoch_length=1)
        Traceback (most recent call last):
        ValueError: 1 of the 2 images came: without 2. No score is given, since it would be that of other images.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []

    def attach(self, engine: Engine) -> None:
        """
        Args:
            engine: an evaluator whose data hold "id".
        """
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._check)

    def _start(self, engine: Engine) -> None:
        self._ids.clear()
        ids_of_part(engine)

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        if isinstance(batch, Mapping):
            self._ids += [str(name) for name in batch.get("id", ())]
        elif isinstance(batch, list):  # decollated
            self._ids += [str(sample["id"]) for sample in batch if isinstance(sample, Mapping) and "id" in sample]

    def _check(self, engine: Engine) -> None:
        require_each_once(gather(self._ids), ids_of_part(engine))


def ids_of_part(engine: Engine) -> list[str] | None:
    """
    The ids of the images that an engine has to see, or None where its data do not tell.

    Args:
        engine: from the start of its run.

    Raises:
        ValueError: When two records share an id.
    """
    dataset = getattr(engine.state.dataloader, "dataset", None)
    records = getattr(dataset, "data", None)
    if not isinstance(records, Sequence) or not all(isinstance(item, Mapping) and "id" in item for item in records):
        return None
    ids = [str(record["id"]) for record in records]
    double = [name for name, times in Counter(ids).items() if times > 1]
    if double:
        raise ValueError(
            f"{len(double)} ids are of more than one of the {len(ids)} images: {first_few(double)}. Give every image "
            "an id of its own."
        )
    return ids


def require_each_once(came: Sequence[str], expected: Sequence[str] | None) -> None:
    """
    Check that the images that came are those of the part, each once.

    Args:
        came: their ids.
        expected: the ids of the part; None if they are not known.

    Raises:
        ValueError: Naming those that are missing, that came twice, and that are of no part.

    Example:
        >>> require_each_once(["1", "2"], ["2", "1"])
    """
    counts = Counter(came)
    part = set(counts if expected is None else expected)
    groups = {
        "without": [name for name in expected or () if not counts[name]],
        "more than once": [name for name, times in counts.items() if times > 1],
        "of no part": [name for name in counts if name not in part],
    }
    found = [f"{words} {first_few(names)}" for words, names in groups.items() if names]
    if found:
        right = sum(times == 1 for name, times in counts.items() if name in part)
        raise ValueError(
            f"{right} of the {len(part)} images came{' once' if max(counts.values()) > 1 else ''}: {'; '.join(found)}. "
            "No score is given, since it would be that of other images."
            + (" Give a DistributedSampler even_divisible=False." if groups["more than once"] else "")
        )
