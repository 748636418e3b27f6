# SPDX-License-Identifier: Apache-2.0
"""Class probabilities as one table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from os import PathLike

from monai.data import CSVSaver

from monai_kd.utils.atomic_files import atomic_write

__all__ = ["ProbabilitySaver"]


class ProbabilitySaver(CSVSaver):
    """
    MONAI's ``CSVSaver`` with column names, written in one step: the ``saver`` of
    ``monai.handlers.ClassificationSaver``.

    An existing table is overwritten.

    Args:
        output_dir: folder of the table; made if missing.
        classes: names of the columns after ``id``.

    Raises:
        ValueError: When the table cannot be written.

    Example:
        >>> import tempfile; from pathlib import Path; import torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saver = ProbabilitySaver(folder, ["benign", "malignant"])
        ...     saver.save_batch(torch.tensor([[0.25, 0.75]]), {"filename_or_obj": ["case001"]})
        ...     saver.finalize()
        ...     print(Path(folder, "predictions.csv").read_text().strip())
        id,benign,malignant
        case001,0.250000,0.750000
    """

    def __init__(
        self, output_dir: str | PathLike[str], classes: Sequence[str], filename: str = "predictions.csv"
    ) -> None:
        super().__init__(output_dir, filename, overwrite=False)
        self.classes = tuple(classes)

    def finalize(self) -> None:
        """Write the table and empty the cache."""
        with atomic_write(self._filepath) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *self.classes])
            for name, values in self.get_cache().items():
                writer.writerow([name, *(f"{value:.6f}" for value in values.flatten())])
        self.reset_cache()
