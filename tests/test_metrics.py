# SPDX-License-Identifier: Apache-2.0
"""Every metric, computed again by loops over the samples."""

import math

import pytest
import torch

from monai_kd.metrics import calibration_bins, classification_metrics


def samples(count=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    probability = (torch.rand(count, generator=generator) * 40).round() / 40 * 0.99 + 0.0037  # with ties, off the edges
    label = (torch.rand(count, generator=generator) < 0.3 + 0.4 * probability).long()
    return probability, label


def test_as_counted_by_hand():
    probability, label = samples()
    pairs = list(zip(probability.tolist(), label.tolist(), strict=True))
    positives, negatives = ([p for p, y in pairs if y == true] for true in (1, 0))
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    sensitivity = sum(p > 0.5 for p in positives) / len(positives)
    specificity = sum(p <= 0.5 for p in negatives) / len(negatives)
    error = 0.0
    for number in range(10):
        of_bin = [(p, y) for p, y in pairs if number / 10 < p <= (number + 1) / 10]
        if of_bin:
            gap = abs(sum(p for p, _ in of_bin) - sum(y for _, y in of_bin)) / len(of_bin)
            error += len(of_bin) / len(pairs) * gap
    assert classification_metrics(probability, label) == pytest.approx(
        {
            "roc_auc": wins / len(positives) / len(negatives),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "calibration_error": error,
            "brier_score": sum((p - y) ** 2 for p, y in pairs) / len(pairs),
        },
        abs=1e-6,
    )


def test_certain_and_right_certain_and_wrong():
    label = torch.tensor([0, 1, 1, 0])
    assert list(classification_metrics(label.float(), label).values()) == [1, 1, 1, 1, 0, 0]
    assert list(classification_metrics(1 - label.float(), label).values()) == [0, 0, 0, 0, 1, 1]


def test_neither_order_nor_repetition_matters():
    probability, label = samples(60)
    expected = classification_metrics(probability, label)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert classification_metrics(probability[order], label[order]) == pytest.approx(expected, abs=1e-6)
    assert classification_metrics(probability.repeat(3), label.repeat(3)) == pytest.approx(expected, abs=1e-6)


def test_a_stretched_probability_ranks_alike_and_is_worse_calibrated():
    probability = torch.linspace(0.005, 0.995, 2000)
    label = (torch.rand(2000, generator=torch.Generator().manual_seed(0)) < probability).long()
    honest = classification_metrics(probability, label)
    bold = classification_metrics((4 * probability.logit()).sigmoid(), label)
    assert bold["roc_auc"] == pytest.approx(honest["roc_auc"])
    assert honest["calibration_error"] < 0.05 < 0.1 < bold["calibration_error"]
    assert honest["brier_score"] < bold["brier_score"]


@pytest.mark.parametrize(("true", "undefined"), [(0, "sensitivity"), (1, "specificity")])
def test_what_one_class_leaves_undefined_is_nan(true, undefined):
    found = classification_metrics(torch.tensor([0.2, 0.8]), torch.tensor([true, true]))
    missing = {name for name, value in found.items() if math.isnan(value)}
    assert missing == {"roc_auc", "balanced_accuracy", undefined}


def test_bins_without_samples_are_nan():
    mean, frequency, count = calibration_bins(torch.tensor([0.15, 0.17]), torch.tensor([0, 1]), bins=5)
    assert count.tolist() == [2, 0, 0, 0, 0]
    assert mean[0].item() == pytest.approx(0.16) and frequency[0].item() == 0.5
    assert mean[1:].isnan().all() and frequency[1:].isnan().all()


@pytest.mark.parametrize(
    ("probability", "label", "message"),
    [
        ([0.5, 1.5], [0, 1], r"goes from 0\.5 to 1\.5, expected 0 to 1\. Apply a softmax or sigmoid"),
        ([0.5, float("nan")], [0, 1], r"Apply a softmax"),
        ([0.5, 0.5], [0, 2], r"label holds \[0\.0, 2\.0\], expected 0 and 1"),
        ([0.5], [0, 1], r"shape \(1,\) and label \(2,\)"),
        ([], [], r"at least one sample"),
    ],
)
def test_what_is_no_probability_or_label_is_refused(probability, label, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(torch.tensor(probability), torch.tensor(label))
