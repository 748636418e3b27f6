# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch
from ignite.engine import Engine, Events

from monai_kd.handlers import MetricLogHandler


def logged(values):
    log, trainer = MetricLogHandler(lambda output: output), Engine(lambda engine, batch: batch)
    update = {"dice": np.float64(0.5)}
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: engine.state.metrics.update(update))
    log.attach(trainer)
    trainer.run(values)
    return log


def test_its_state_is_read_without_executing_code(tmp_path):
    log = logged([torch.tensor(1.5), np.float32(0.25), 2])
    torch.save(log.state_dict(), tmp_path / "log.pt")
    state = torch.load(tmp_path / "log.pt", weights_only=True)
    assert state["loss"] == [(1, 1.5), (2, 0.25), (3, 2.0)] and state["metrics"]["dice"][-1] == (3, 0.5)
    other = logged([3.0])
    other.load_state_dict(state)
    assert other.state_dict() == log.state_dict()
    other.metrics["new"].append((4, 1.0))  # goes on as before
