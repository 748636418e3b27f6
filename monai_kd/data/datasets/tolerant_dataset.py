# SPDX-License-Identifier: Apache-2.0
"""Images of which some may be damaged: the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from monai.data import Dataset, list_data_collate

__all__ = ["FAILURES", "Failure", "TolerantDataset", "collate_tolerant", "reason_of"]

FAILURES = "failures"


class Failure(NamedTuple):
    """
    An image that could not be loaded.

    Args:
        id: of its record.
        reason: in words.
    """

    id: str
    reason: str


class TolerantDataset(Dataset):
    """
    A data set that gives a :class:`Failure` in place of a sample that cannot be loaded.

    Together with :func:`collate_tolerant` and :class:`monai_kd.engines.InferenceEvaluator` one damaged file among many
    costs that file alone.

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
    A batch of the samples that could be loaded; of the others it holds the list "failures".

    Args:
        samples: of a :class:`TolerantDataset`.

    Example:
        >>> collate_tolerant([{"id": "1"}, Failure("2", "damaged")])
        {'id': ['1'], 'failures': [Failure(id='2', reason='damaged')]}
    """
    good = [sample for sample in samples if not isinstance(sample, Failure)]
    batch = dict(list_data_collate(good)) if good else {}
    failures = [sample for sample in samples if isinstance(sample, Failure)]
    return {**batch, FAILURES: failures} if failures else batch


def reason_of(error: BaseException) -> str:
    """
    An error in one line, without MONAI's words around it.

    Args:
        error: raised by a transform.

    Example:
        >>> reason_of(ValueError("scan.png is damaged.\\nCopy it again."))
        'scan.png is damaged. Copy it again.'
    """
    while str(error).startswith("applying transform") and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
