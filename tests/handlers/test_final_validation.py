# SPDX-License-Identifier: Apache-2.0
import logging
import math

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.engines import SupervisedEvaluator
from monai.handlers import MeanDice, StatsHandler, from_engine
from torch import nn

from monai_kd.handlers import AtomicCheckpointSaver, FinalValidationHandler, PatienceHandler
from tests.handlers.test_resume import break_off
from tests.handlers.tiny_run import EPOCH_LENGTH, build
from tests.helpers import assert_identical

NAN = math.nan


class Weights(nn.Module):
    """A network whose weights are the number of the epoch."""

    def __init__(self):
        super().__init__()
        self.register_buffer("value", torch.zeros(1))

    def forward(self, image):
        return image


def evaluator(folder, network, label=1.0, scores=None, **arguments):
    """An evaluator whose metric takes the given scores, or is the Dice of one image with a constant ``label``."""
    given = iter(scores or ())
    metric = (
        Average(output_transform=lambda output: next(given))
        if scores
        else MeanDice(output_transform=from_engine(["pred", "label"]))
    )
    saver = AtomicCheckpointSaver(
        str(folder), {"model": network}, save_key_metric=True, key_metric_filename="model.pt", **arguments
    )
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": torch.ones(1, 1, 2, 2), "label": torch.full((1, 1, 2, 2), label)}],
        network=network,
        key_val_metric={"score": metric},
        val_handlers=[StatsHandler(iteration_log=False), saver],
    )


def train(folder, epochs, interval=1, patience=100, stop_at=None, **arguments):
    """The weights that a training kept (the number of the epoch), and the epochs with a validation."""
    network, validated = Weights(), []
    validator = evaluator(folder, network, **arguments)
    validator.add_event_handler(Events.STARTED, lambda engine: validated.append(engine.state.epoch + 1))
    trainer = Engine(lambda engine, batch: network.value.fill_(engine.state.epoch))
    if stop_at:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(once=stop_at), lambda engine: engine.terminate())
    FinalValidationHandler(interval, validator).attach(trainer)
    PatienceHandler(validator, patience).attach(trainer)
    trainer.run([0], max_epochs=epochs)
    kept = torch.load(folder / "model.pt", weights_only=True)["value"].item()
    return kept, validated, validator.state


@pytest.mark.parametrize(
    ("interval", "epochs", "expected"),
    [(1, 3, [1, 2, 3]), (2, 4, [2, 4]), (2, 5, [2, 4, 5]), (3, 2, [2]), (50, 4, [4]), (7, 1, [1])],
)
def test_the_last_epoch_is_validated_once(tmp_path, interval, epochs, expected):
    assert train(tmp_path, epochs, interval)[1] == expected


def test_so_is_the_last_of_a_training_that_is_ended(tmp_path):
    kept, validated, _ = train(tmp_path, 9, interval=5, stop_at=3)
    assert (kept, validated) == (3, [3])


def test_patience_keeps_the_best_weights(tmp_path):
    scores = [0.5, 0.7, 0.6, 0.6, 0.6, 0.6]
    assert train(tmp_path, 6, patience=2, scores=scores)[:2] == (2, [1, 2, 3, 4])


def test_validation_by_iterations_ends_with_one_too(tmp_path):
    network, validated = Weights(), []
    validator = evaluator(tmp_path, network)
    trainer = Engine(lambda engine, batch: None)
    handler = FinalValidationHandler(3, validator, epoch_level=False)
    handler.attach(trainer)
    validator.add_event_handler(Events.STARTED, lambda engine: validated.append(trainer.state.iteration))
    for _ in range(2):  # a second run begins with nothing validated
        trainer.run([0, 0], max_epochs=4)
    assert validated == [3, 6, 8] * 2


@pytest.mark.parametrize("interval", [3, 9])
def test_resumed_equals_one_go(tmp_path, interval):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = build(tmp_path / "whole", interval=interval).train()
    assert whole.evaluator.state.epoch == 4
    break_off(build(tmp_path / "parts", interval=interval), 3 * EPOCH_LENGTH + 1)
    assert_identical(build(tmp_path / "parts", initial_seed=77, interval=interval).train().state(), whole.state())


def test_a_metric_that_is_never_defined_chooses_and_ends_nothing(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        kept, validated, state = train(tmp_path, 5, patience=2, label=0.0)
    assert (kept, len(validated)) == (5, 5)
    assert math.isnan(state.metrics["score"])
    assert math.isnan(state.best_metric)
    assert len([r for r in caplog.records if "score is undefined" in r.getMessage()]) == 5
    said = caplog.text.lower()
    assert "new best metric" not in said
    assert "0.0000" not in said


@pytest.mark.parametrize(
    ("scores", "kept", "best"),
    [
        ([NAN, NAN, NAN], 3, None),
        ([NAN, 0.0, NAN], 2, 2),
        ([NAN, 0.2, 0.1, NAN, 0.3, NAN], 5, 5),
        ([0.4, NAN, 0.3], 1, 1),
        ([NAN, NAN, -0.5, -0.7], 3, 3),
        ([math.inf, 0.5], 2, 2),
    ],
)
def test_a_metric_undefined_at_some_epochs(tmp_path, scores, kept, best):
    weights, _, state = train(tmp_path, len(scores), scores=scores)
    assert weights == kept
    assert math.isnan(state.best_metric_epoch) if best is None else state.best_metric_epoch == best
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_where_smaller_is_better_undefined_is_not_the_best(tmp_path):
    network = Weights()
    validator = evaluator(tmp_path, network, scores=[NAN, 3.0, 2.0, NAN, 4.0], key_metric_negative_sign=True)
    validator.metric_cmp_fn = lambda current, best: current < best
    trainer = Engine(lambda engine, batch: network.value.fill_(engine.state.epoch))
    FinalValidationHandler(1, validator).attach(trainer)
    trainer.run([0], max_epochs=5)
    assert (validator.state.best_metric, validator.state.best_metric_epoch) == (2.0, 3)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["value"].item() == 3


def test_an_undefined_further_metric_is_nan_and_the_key_metric_counts(tmp_path):
    network = Weights()
    validator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": torch.ones(1, 1, 2, 2), "label": torch.zeros(1, 1, 2, 2)}],
        network=network,
        key_val_metric={"score": Average(output_transform=lambda output: 0.25)},
        additional_metrics={"dice": MeanDice(output_transform=from_engine(["pred", "label"]))},
    )
    trainer = Engine(lambda engine, batch: None)
    FinalValidationHandler(1, validator).attach(trainer)
    trainer.run([0], max_epochs=1)
    assert math.isnan(validator.state.metrics["dice"])
    assert validator.state.best_metric == 0.25


def test_resumed_while_undefined_equals_one_go(tmp_path, monkeypatch):
    """No mask of the validation images holds a lesion."""
    from tests.handlers import tiny_run

    drawn = tiny_run.samples
    monkeypatch.setattr(
        tiny_run,
        "samples",
        lambda count, seed: [{**sample, "label": sample["label"] * (seed != 9)} for sample in drawn(count, seed)],
    )
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = build(tmp_path / "whole", patience=1).train()
    assert whole.trainer.state.epoch == 4
    break_off(build(tmp_path / "parts", patience=1), 2 * EPOCH_LENGTH + 1)
    parts = build(tmp_path / "parts", initial_seed=77, patience=1).train()
    states = [run.state() for run in (parts, whole)]
    for state in states:
        assert math.isnan(state.pop("best metric")[0])
        assert [math.isnan(score) for score, _ in state["best"].pop("_saved")] == [True]
    assert_identical(*states)
