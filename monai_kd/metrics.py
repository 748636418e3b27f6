# SPDX-License-Identifier: Apache-2.0
"""Metrics of the probabilities of a two-class classification."""

from __future__ import annotations

import math
import warnings

import torch
from monai.metrics import calibration_binning, compute_confusion_matrix_metric, compute_roc_auc, get_confusion_matrix

__all__ = ["calibration_bins", "classification_metrics"]

BINS = 10


def classification_metrics(probability: torch.Tensor, label: torch.Tensor) -> dict[str, float]:
    r"""
    Metrics of the probability of the positive class; the prediction is positive where it is above 0.5.

    ======================= =================================================================== =======
    key                     meaning                                                             best
    ======================= =================================================================== =======
    ``roc_auc``             chance that a positive sample has a higher probability than a       1
                            negative one
    ``balanced_accuracy``   mean of the next two                                                1
    ``sensitivity``         share of positives that are predicted as positive                   1
    ``specificity``         share of negatives that are predicted as negative                   1
    ``calibration_error``   :math:`\sum_b \frac{n_b}{n} |\bar p_b - \bar y_b|` for ten bins b   0
    ``brier_score``         :math:`\langle (p - y)^2 \rangle`                                   0
    ======================= =================================================================== =======

    The calibration error compares the mean probability of each bin with the frequency of positives in it (Guo et al.,
    "On calibration of modern neural networks", ICML 2017, for the most likely class). The Brier score is half that of
    Brier, "Verification of forecasts expressed in terms of probability", 1950, as is usual for two classes.

    Args:
        probability: of the positive class, shape (N,).
        label: 0 and 1, shape (N,).

    Returns:
        The metrics by key; NaN for those that need both positives and negatives where one is missing.

    Raises:
        ValueError: When the shapes differ, there are no samples, or values are out of range.

    Example:
        >>> scores = classification_metrics(torch.tensor([0.1, 0.6, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]))
        >>> {name: round(value, 3) for name, value in scores.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'roc_auc': 0.75, 'balanced_accuracy': 0.5, 'sensitivity': 0.5, 'specificity': 0.5,
         'calibration_error': 0.35, 'brier_score': 0.185}
    """
    probability, label = probability.detach().cpu().double(), label.detach().cpu().double()
    _check(probability, label)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "y values can not be all")  # the result is NaN
        scores = {"roc_auc": float(compute_roc_auc(probability, label))}  # type: ignore[arg-type]
    matrix = get_confusion_matrix((probability[:, None] > 0.5).float(), label[:, None]).double().sum(dim=0)
    for name in ("balanced accuracy", "sensitivity", "specificity"):
        scores[name.replace(" ", "_")] = float(compute_confusion_matrix_metric(name, matrix))
    mean, frequency, count = calibration_bins(probability, label)
    error = (count / len(label) * (mean - frequency).abs()).nansum()
    return {**scores, "calibration_error": float(error), "brier_score": float((probability - label).square().mean())}


def calibration_bins(
    probability: torch.Tensor, label: torch.Tensor, bins: int = BINS
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Probabilities and frequencies in bins of equal width, as a reliability diagram shows them.

    Args:
        probability: of the positive class, shape (N,).
        label: 0 and 1, shape (N,).
        bins: number of bins.

    Returns:
        Mean probability, frequency of positives (both NaN where there is no sample) and number of samples of each bin,
        shape (bins,).

    Example:
        >>> mean, frequency, count = calibration_bins(torch.tensor([0.25, 0.25, 0.75]), torch.tensor([0, 1, 1]), bins=2)
        >>> mean.tolist(), frequency.tolist(), count.tolist()
        ([0.25, 0.75], [0.5, 1.0], [2.0, 1.0])
    """
    mean, frequency, count = calibration_binning(probability[None, None], label[None, None], num_bins=bins)
    return mean[0, 0], frequency[0, 0], count[0, 0]


def _check(probability: torch.Tensor, label: torch.Tensor) -> None:
    if probability.shape != label.shape or probability.ndim != 1 or not len(label):
        raise ValueError(
            f"probability has shape {tuple(probability.shape)} and label {tuple(label.shape)}, expected (N,) for both. "
            "Give one number of each for every sample, at least one sample."
        )
    low, high = float(probability.min()), float(probability.max())
    if math.isnan(low) or low < 0 or high > 1:
        raise ValueError(
            f"probability goes from {low:g} to {high:g}, expected 0 to 1. Apply a softmax or sigmoid to logits first."
        )
    if not ((label == 0) | (label == 1)).all():
        raise ValueError(f"label holds {sorted(set(label.tolist()))[:5]}, expected 0 and 1. Give 1 for positive.")
