# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import nn

from monai_kd.features import FeatureHooks

__all__ = ["FeatureHookHandler"]


class FeatureHookHandler:
    """
    Captures the outputs of named layers in any ignite engine, as ``engine.state.features``.

    The features are available from the forward pass (MONAI's ``FORWARD_COMPLETED``; without that event, from
    ``ITERATION_COMPLETED``) until the next iteration starts. They are not in ``engine.state.output``, because MONAI
    splits that into samples. Layers are captured only while the engine's own step runs its network, so handlers may run
    the same network, or a part of it, at any event (for example to validate).

    The hooks are placed when a run starts and removed when it completes. After an exception they stay until
    :meth:`close` or the next run, because ignite calls only the first handler of ``EXCEPTION_RAISED``.

    Args:
        network: the network that the engine runs.
        layers: names as in ``network.named_modules()``; ``""`` is the network's own output.

    Raises:
        ValueError: When a layer does not exist; in the run, when it did not run or did not return a tensor.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU())
        >>> engine = Engine(lambda engine, batch: network(batch))
        >>> FeatureHookHandler(network, ["0"]).attach(engine)
        >>> _ = engine.run([torch.rand(2, 1, 8, 8)])
        >>> tuple(engine.state.features["0"].shape)
        (2, 4, 6, 6)
    """

    def __init__(self, network: nn.Module, layers: Iterable[str]) -> None:
        self._hooks = FeatureHooks(network, layers)
        self._hooks.listening = False

    def attach(self, engine: Engine) -> None:
        """Publish the features in ``engine.state.features`` of any ignite engine."""
        forward_completed = IterationEvents.FORWARD_COMPLETED
        ready = forward_completed if forward_completed in engine._allowed_events else Events.ITERATION_COMPLETED
        # The step is wrapped, because no event is between the last handler of ITERATION_STARTED and the step.
        engine._process_function = self._captured(engine._process_function)
        engine.add_event_handler(Events.STARTED, lambda engine: self._hooks.__enter__())
        engine.add_event_handler(Events.ITERATION_STARTED, lambda engine: self._publish(engine, {}))
        engine.add_event_handler(ready, self._collect)
        engine.add_event_handler(Events.COMPLETED, lambda engine: self.close())

    def close(self) -> None:
        """Remove the hooks."""
        self._hooks.close()

    def _captured(self, step: Callable[[Engine, Any], Any]) -> Callable[[Engine, Any], Any]:
        def captured(engine: Engine, batch: Any) -> Any:
            self._hooks.clear()
            self._hooks.listening = True
            try:
                return step(engine, batch)
            finally:
                self._hooks.listening = False

        return captured

    def _collect(self, engine: Engine) -> None:
        self._publish(engine, self._hooks.pop())
        self._hooks.listening = False

    @staticmethod
    def _publish(engine: Engine, features: dict[str, torch.Tensor]) -> None:
        state: Any = engine.state
        state.features = features
