# SPDX-License-Identifier: Apache-2.0
"""A data set that skips damaged images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from monai.data import Dataset, list_data_collate

__all__ = ["FAILURES", "Failure", "TolerantDataset", "collate_tolerant", "reason_of"]

FAILURES = "failures"


class Failure(NamedTuple):
    """The id of an image that could not be loaded, and the reason in words."""

    id: str
    reason: str


class TolerantDataset(Dataset):
    """
    A data set that yields a :class:`Failure` for a sample that cannot be loaded.

    With :func:`collate_tolerant` and :class:`monai_kd.engines.InferenceEvaluator`, a damaged file does not stop the
    others.

    Args:
        data: records with "id".
        transform: from a record to a sample.

    Example:
        >>> dataset = TolerantDataset([{"id": "1", "value": 4}, {"id": "2", "value": 0}], lambda r: 8 / r["value"])
        >>> dataset[0], dataset[1]
        (2.0, Failure(id='2', reason='division by zero'))
    """

    def __getitem__(self, index: int | slice | Sequence[int]) -> Any:
        try:
            return super().__getitem__(index)
        except Exception as error:
            if not isinstance(index, int):
                raise
            return Failure(str(self.data[index]["id"]), reason_of(error))


def collate_tolerant(samples: Sequence[Any]) -> dict[str, Any]:
    """
    Collate the samples that could be loaded; the batch lists the others under "failures".

    Example:
        >>> collate_tolerant([{"id": "1"}, Failure("2", "damaged")])
        {'id': ['1'], 'failures': [Failure(id='2', reason='damaged')]}
    """
    good = [sample for sample in samples if not isinstance(sample, Failure)]
    batch = dict(list_data_collate(good)) if good else {}
    failures = [sample for sample in samples if isinstance(sample, Failure)]
    return {**batch, FAILURES: failures} if failures else batch


def reason_of(error: BaseException) -> str:
    """A transform's error in one line, without MONAI's text around it."""
    while str(error).startswith("applying transform") and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
