# SPDX-License-Identifier: Apache-2.0
"""From a record's pathology to the class index for classification."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import torch

from monai_kd.data.records.record import Record
from monai_kd.utils.messages import first_few

__all__ = ["class_weights", "label_classes"]

logger = logging.getLogger(__name__)


def label_classes(records: Sequence[Record], classes: Sequence[str], what: str, every: bool = True) -> list[Record]:
    """
    Records with the index of their pathology as ``label``, instead of a mask.

    Records of another pathology (a normal breast, or an unknown one) are left out, and the log names them.

    Args:
        records: as ``read_dataset`` gives them.
        classes: pathologies, in order of class index.
        what: name of the images in messages.
        every: whether every class must occur, as for training and for the area under the ROC curve.

    Raises:
        ValueError: When there are fewer than two classes, or one is given twice; when no record has any of them; or,
            with ``every``, when one class has no record.

    Example:
        >>> records = [{"id": "a", "pathology": "malignant"}, {"id": "b", "pathology": "benign"}]
        >>> [record["label"] for record in label_classes(records, ["benign", "malignant"], "images")]
        [1, 0]
    """
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(
            f"classes must be two or more different pathologies, got {list(classes)}. Give, for instance, "
            "['benign', 'malignant']."
        )
    counts = Counter(str(record["pathology"]) for record in records)
    found = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "none"
    missing = [name for name in classes if not counts[name]]
    if len(missing) == len(classes) or (missing and every):
        raise ValueError(
            f"{what}: no image is {' or '.join(missing)} (there are: {found}). Use a data set that names the pathology "
            "of its images (in plain folders: the column 'pathology' of patients.csv), and a split with every class in "
            "every part."
        )
    left_out = [record["id"] for record in records if record["pathology"] not in classes]
    if left_out:
        logger.info(
            "%s: %d of %d are left out because they are neither %s: %s.",
            what, len(left_out), len(records), " nor ".join(classes), first_few(left_out),
        )  # fmt: skip
    return [
        {**record, "label": classes.index(record["pathology"])} for record in records if record["pathology"] in classes
    ]


def class_weights(records: Sequence[Record], count: int) -> torch.Tensor:
    r"""
    Weights for the cross-entropy that give every class the same influence, whatever its number of images.

    .. math:: w_c = n / (C \cdot n_c)

    Args:
        records: of the training part, from ``label_classes``.
        count: number of classes C.

    Returns:
        Shape (C,); their mean over the images is 1.

    Example:
        >>> class_weights([{"label": 0}, {"label": 0}, {"label": 0}, {"label": 1}], 2)
        tensor([0.6667, 2.0000])
    """
    of_class = torch.bincount(torch.tensor([int(record["label"]) for record in records]), minlength=count)
    return len(records) / (count * of_class.float())
