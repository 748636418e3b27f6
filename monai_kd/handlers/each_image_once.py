# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import ensure_tuple

from monai_kd.utils.messages import first_few
from monai_kd.utils.processes import gather

__all__ = ["EachImageOnceHandler", "ids_of_part", "require_each_once"]


class EachImageOnceHandler:
    """
    Ends a validation with an error if it did not see every image of its data set once.

    Otherwise the mean score would be that of other images. In distributed training the images of all processes are
    counted together. Attach it to the evaluator before handlers that keep weights or scores.

    An image is known by its "id". Where the records have none, it is known by its file, as MONAI's ``MetaTensor`` names
    it: then only an image that came twice is an error, and nothing is checked if several records share a file.

    Raises:
        ValueError: In the run, when two records of the data set have the same id, or an image was missing, repeated or
            unknown.

    Example:
        >>> from monai.data import DataLoader, Dataset
        >>> engine = Engine(lambda engine, batch: None)
        >>> EachImageOnceHandler().attach(engine)
        >>> loader = DataLoader(Dataset([{"id": "1"}, {"id": "2"}]), batch_size=1)
        >>> _ = engine.run(loader)
        >>> engine.run(loader, epoch_length=1)
        Traceback (most recent call last):
        ValueError: 1 of the 2 images came: without 2. No score is given, because it would be that of other images.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Check the images of ``engine``, an evaluator whose data hold "id", or "image" with its meta data."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._check)

    def _start(self, engine: Engine) -> None:
        self._ids.clear()
        ids_of_part(engine)

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        samples = [batch] if isinstance(batch, Mapping) else batch if isinstance(batch, list) else []  # decollated
        maps = [sample for sample in samples if isinstance(sample, Mapping)]
        if any("id" in sample for sample in maps):
            self._ids += [str(name) for sample in maps if "id" in sample for name in ensure_tuple(sample["id"])]
        elif _have_own_files(engine):  # of several patches of one file in a batch, one counts
            self._ids += dict.fromkeys(name for sample in maps for name in _files(sample))

    def _check(self, engine: Engine) -> None:
        require_each_once(gather(self._ids), ids_of_part(engine))


def ids_of_part(engine: Engine) -> list[str] | None:
    """The ids in an engine's data set, or None where its records have none; ValueError if two records share one."""
    dataset = getattr(engine.state.dataloader, "dataset", None)
    records = getattr(dataset, "data", None)
    if not isinstance(records, Sequence) or not all(isinstance(item, Mapping) and "id" in item for item in records):
        return None
    ids = [str(record["id"]) for record in records]
    double = [name for name, times in Counter(ids).items() if times > 1]
    if double:
        raise ValueError(
            f"{len(double)} ids are of more than one of the {len(ids)} images: {first_few(double)}. Give every image "
            "its own id."
        )
    return ids


def _have_own_files(engine: Engine) -> bool:
    """Whether each record of an engine's data set has an image file that no other has."""
    records = getattr(getattr(engine.state.dataloader, "dataset", None), "data", None)
    if not isinstance(records, Sequence) or not all(isinstance(item, Mapping) and "image" in item for item in records):
        return False
    return len({str(record["image"]) for record in records}) == len(records)


def _files(sample: Mapping[str, Any]) -> list[str]:
    names = getattr(sample.get("image"), "meta", {}).get("filename_or_obj", ())
    return [str(name) for name in ensure_tuple(names)]


def require_each_once(came: Sequence[str], expected: Sequence[str] | None) -> None:
    """
    Check that the ids in ``came`` are the expected ones, each once; where those are None, that none is repeated.

    Raises:
        ValueError: With the ids that are missing, repeated or unexpected.
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
            "No score is given, because it would be that of other images."
            + (" Set the DistributedSampler's even_divisible=False." if groups["more than once"] else "")
        )
