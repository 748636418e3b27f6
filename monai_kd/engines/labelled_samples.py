# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch

from monai_kd.utils.plain_tensor import plain

__all__ = ["labelled"]


def labelled(prediction: Any, label: torch.Tensor, batch: Any) -> tuple[Any, torch.Tensor]:
    """
    Prediction and label of the samples that have a label.

    Args:
        prediction: shape BNH[WD]; or a list, tuple or dictionary of such tensors, from a network with several outputs.
        label: shape (B, ...).
        batch: if it is a dictionary with "has_label", samples with a value of 0 are left out.

    Raises:
        ValueError: When there is no label at all.

    Example:
        >>> labelled(torch.zeros(3, 2), torch.tensor([1, 5, 0]), {"has_label": torch.tensor([1, 0, 1])})[1]
        tensor([1, 0])
    """
    if label is None:
        raise ValueError(
            "The batch has no label, but the supervised loss needs one. Give every record a 'label'; to add images "
            "without one, use monai_kd.data.PooledDataset."
        )
    if not isinstance(batch, dict) or "has_label" not in batch:
        return prediction, label
    chosen = torch.as_tensor(batch["has_label"]).bool().flatten()
    if chosen.all():
        return prediction, label
    return _chosen(prediction, chosen), plain(label)[chosen.to(label.device)]


def _chosen(prediction: Any, chosen: torch.Tensor) -> Any:
    if isinstance(prediction, dict):
        return {key: _chosen(value, chosen) for key, value in prediction.items()}
    if isinstance(prediction, (list, tuple)):
        return type(prediction)(_chosen(value, chosen) for value in prediction)
    return plain(prediction)[chosen.to(prediction.device)]
