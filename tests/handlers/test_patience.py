# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.engines import SupervisedEvaluator
from monai.handlers import ValidationHandler
from torch import nn

from monai_kd.handlers import PatienceHandler


def last_epoch(scores, patience, interval=1, **evaluator_arguments):
    """The last epoch of a trainer whose validations give these scores."""
    given = iter(scores)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": torch.zeros(1, 1, 2, 2), "label": torch.zeros(1, 1, 2, 2)}],
        network=nn.Identity(),
        key_val_metric={"score": Average(output_transform=lambda output: next(given))},
        **evaluator_arguments,
    )
    trainer = Engine(lambda engine, batch: None)
    ValidationHandler(interval, evaluator).attach(trainer)
    PatienceHandler(evaluator, patience).attach(trainer)
    completed = []
    trainer.add_event_handler(Events.COMPLETED, lambda e: completed.append(True))
    trainer.run([0], max_epochs=len(scores) * interval)
    assert completed
    return trainer.state.epoch


@pytest.mark.parametrize(
    ("scores", "patience", "expected"),
    [
        ([0.5, 0.4, 0.3, 0.2], 1, 2),
        ([0.5, 0.4, 0.3, 0.2], 2, 3),
        ([0.5, 0.5, 0.5, 0.5], 2, 3),  # equal is no improvement
        ([0.1, 0.2, 0.3, 0.4], 1, 4),
        ([0.5, 0.4, 0.6, 0.4, 0.4, 0.9], 2, 5),  # an improvement resets the counter
        ([0.5, 0.4, 0.4, 0.4], 9, 4),
        ([0.0, 0.0, 0.0], 2, 3),
        ([-0.5, -0.6, -0.7], 1, 2),
    ],
)
def test_epochs_without_improvement(scores, patience, expected):
    assert last_epoch(scores, patience) == expected


def test_patience_counts_epochs_between_validations_too():
    assert last_epoch([0.5, 0.4, 0.3, 0.2], 3, interval=2) == 5


def test_before_the_first_validation_it_waits():
    assert last_epoch([0.5, 0.6], 1, interval=5) == 6


def test_smaller_may_be_better():
    assert last_epoch([0.5, 0.4, 0.6, 0.7, 0.1], 2, metric_cmp_fn=lambda current, best: current < best) == 4


@pytest.mark.parametrize("patience", [0, -3])
def test_patience_is_at_least_one(patience):
    with pytest.raises(ValueError, match=f"patience must be at least 1 epoch, got {patience}"):
        PatienceHandler(None, patience)
