# SPDX-License-Identifier: Apache-2.0
"""The predictions of networks for each image: their quality, their entropy, and the agreement of two networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from monai.data import Dataset, list_data_collate
from monai.engines.utils import IterationEvents
from torch import Tensor, nn

from monai_kd.diagnosis.trained_run import TrainedRun
from monai_kd.utils.plain_tensor import plain

__all__ = ["PredictionQuality", "agreement", "measure_predictions"]


@dataclass
class PredictionQuality:
    """
    A network's predictions for some images.

    Args:
        scores: the bundle's own key metric, such as Dice, by image; for a classifier 1 if it is right, else 0.
        masks: bool, shape (classes without background, …), by image; for a classifier (classes without the first,).
        entropy: mean over the pixels, by image; 0 is certain, 1 means that all classes are equally likely.
        wrong: the share of pixels that differ from the label, by image.
        metric: the name of the scores.
    """

    scores: dict[str, float] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)
    entropy: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)
    metric: str = "accuracy"


def measure_predictions(run: TrainedRun, network: nn.Module, images: Dataset) -> PredictionQuality:
    """
    Run a network on images with the inferer, postprocessing and key metric of a run's validation.

    ``images`` are samples with ``image`` and ``label``, a mask or the number of a class.

    Raises:
        ValueError: When the validation keeps no key metric for each image.
    """
    found = PredictionQuality()
    evaluator = run.get("validate#evaluator")
    loader = torch.utils.data.DataLoader(images, batch_size=1, collate_fn=list_data_collate)
    evaluator.network, evaluator.data_loader = network, loader
    evaluator.state.dataloader, evaluator.state.epoch_length = loader, len(loader)
    names: list[str] = []

    def look(engine: Any) -> None:
        # The postprocessing comes later and turns the logits into masks.
        output = engine.state.output
        name = str(engine.state.batch["id"][0]) if "id" in engine.state.batch else str(len(names))
        logits, given = plain(output["pred"])[0].float().cpu(), plain(output["label"])[0].cpu()
        label = given[None] if given.ndim == 0 else given
        names.append(name)
        found.masks[name], truth = _masks(logits, label)
        found.entropy[name] = _entropy(logits, len(label))
        found.wrong[name] = float((found.masks[name] != truth).any(0).float().mean())
        if given.ndim == 0:
            found.scores[name] = 1.0 - found.wrong[name]

    with evaluator.add_event_handler(IterationEvents.FORWARD_COMPLETED, look):
        evaluator.run()
    if found.scores:
        return found
    found.metric = str(evaluator.state.key_metric_name)
    details = evaluator.state.metric_details.get(found.metric)
    if details is None or len(details) != len(names):
        raise ValueError(
            f"'{run.folder}': the validation keeps no '{found.metric}' of each image. Set save_details=True in its key "
            "metric."
        )
    for name, row in zip(names, details, strict=True):
        values = row[row.isfinite()]
        if len(values):
            found.scores[name] = float(values.mean())
    return found


def _masks(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Prediction and label as bool (classes, …), without the background class of a softmax."""
    if len(logits) == len(label):  # a channel for each class
        return logits > 0, label > 0.5
    classes = torch.arange(1, len(logits)).reshape(-1, *[1] * (logits.ndim - 1))
    return logits.argmax(0, keepdim=True) == classes, label.long() == classes


def _entropy(logits: Tensor, label_channels: int) -> float:
    if len(logits) == label_channels:
        probability = torch.stack([logits.sigmoid(), (-logits).sigmoid()])
    else:
        probability = logits.softmax(0)
    entropy = -(probability * probability.clamp_min(1e-12).log()).sum(0)
    return float(entropy.mean() / torch.log(torch.tensor(float(len(probability)))))


def agreement(first: PredictionQuality, second: PredictionQuality) -> dict[str, float]:
    """Dice of two networks' masks for each image; 1 if the masks are equal, also if both are empty."""
    found = {}
    for name in first.masks.keys() & second.masks.keys():
        a, b = first.masks[name], second.masks[name]
        total = int(a.sum() + b.sum())
        found[name] = 2 * int((a & b).sum()) / total if total else 1.0
    return dict(sorted(found.items()))
