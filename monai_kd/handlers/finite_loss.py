# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from monai_kd.utils.messages import first_few
from monai_kd.utils.plain_tensor import plain
from monai_kd.utils.processes import sum_of_all

__all__ = ["FiniteLossHandler"]

SHOWN = 8


class FiniteLossHandler:
    """
    Ends training with an error at the first loss that is not finite, before any weights are saved.

    The message names the images of the batch and the terms that are not finite (scalars of ``engine.state.output``
    besides "loss"). Only the loss is checked, not the gradients, because the gradient scaler of mixed precision skips
    steps whose gradients overflow.

    On a CPU the loss is checked before the optimizer's step. On a GPU, that would make the CPU wait in every step, so
    the result is copied in the background. It is read in the next step, or at the end of the epoch before anything is
    validated or saved. Until then the optimizer makes one more step, whose weights are never saved.

    If the loss of one process is not finite, all processes end in the same iteration, so none waits for the others.

    Attach it before handlers that save weights; ``DistillationTrainer`` has its own.

    Raises:
        ValueError: In the run, when a loss is NaN or infinite.

    Example:
        >>> from monai.engines import SupervisedTrainer
        >>> network = torch.nn.Conv2d(1, 1, 1)
        >>> trainer = SupervisedTrainer(
        ...     network=network,
        ...     optimizer=torch.optim.SGD(network.parameters(), 0.1),
        ...     loss_function=lambda prediction, label: (prediction - label).mean().log(),
        ...     device=torch.device("cpu"),
        ...     max_epochs=1,
        ...     train_data_loader=[{"id": ["case1"], "image": torch.zeros(1, 1, 2, 2), "label": torch.full((1,), 9.0)}],
        ...     train_handlers=[FiniteLossHandler()],
        ... )
        >>> try:
        ...     trainer.run()
        ... except ValueError as error:
        ...     print(str(error)[:75])
        The loss is not finite in iteration 1 (epoch 1): loss is nan. Images: case1
    """

    def __init__(self) -> None:
        self._pending: _Verdict | None = None

    def attach(self, engine: Engine) -> None:
        """Check every loss of ``engine``, a MONAI trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._judge)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._read)

    def _start(self, engine: Engine) -> None:
        self._pending = None

    def _judge(self, engine: Engine) -> None:
        self._read(engine)
        self._pending = _Verdict(engine)
        if self._pending.is_ready:
            self._read(engine)

    def _read(self, engine: Engine) -> None:
        verdict, self._pending = self._pending, None
        if verdict is not None:
            verdict.require_finite()


class _Verdict:
    """The check of one iteration; on a GPU its values are still being copied."""

    def __init__(self, engine: Engine) -> None:
        state: Any = engine.state
        terms = {str(k): plain(v).detach() for k, v in state.output.items() if _is_scalar(v)}
        self.names, self.images = list(terms), _images(state.batch)
        self.place = f"in iteration {state.iteration} (epoch {state.epoch})"
        device = next((term.device for term in terms.values()), torch.device("cpu"))
        values = torch.stack([term.to(device, torch.float32) for term in terms.values()]) if terms else torch.zeros(0)
        self.is_ready = device.type != "cuda"
        self.values = torch.cat([values, _verdict_of_all(values, self.names)])
        if not self.is_ready:
            on_device = self.values
            self.values = torch.empty(on_device.shape, dtype=on_device.dtype, pin_memory=True)
            self.values.copy_(on_device, non_blocking=True)
            self.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self.copied.record()

    def require_finite(self) -> None:
        if not self.is_ready:
            self.copied.synchronize()  # no wait: the copy was done during the last step
        *own, verdict = self.values.tolist()
        if math.isfinite(verdict):
            return
        values = dict(zip(self.names, own, strict=True))
        if math.isfinite(values.get("loss", 0.0)):
            raise ValueError(
                f"The loss of another process is not finite {self.place}; its own message names the images. "
                "Nothing of this epoch was saved."
            )
        wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
        terms = {name: value for name, value in wrong.items() if name != "loss"} or wrong  # "loss" is only their sum
        named = " and ".join(f"{name} is {value}" for name, value in terms.items())
        raise ValueError(
            f"The loss is not finite {self.place}: {named}. Images: {self.images}. Check these images and the "
            "teacher's weights, or lower the learning rate; nothing of this epoch was saved."
        )


def _verdict_of_all(values: torch.Tensor, names: list[str]) -> torch.Tensor:
    """Shape (1,): 0, or NaN where the loss of any process is not finite."""
    # 0 times a finite loss is 0, and NaN otherwise.
    loss = 0 * values[names.index("loss")].reshape(1) if "loss" in names else values.new_zeros(1)
    return sum_of_all(loss)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 0 and value.is_floating_point()


def _images(batch: Any) -> str:
    """The ids of a batch's images, or their files where they have none."""
    names: Any = batch.get("id") if isinstance(batch, dict) else None
    if names is None:
        image = (
            batch.get("image") if isinstance(batch, dict) else batch[0] if isinstance(batch, list | tuple) else batch
        )
        names = getattr(image, "meta", {}).get("filename_or_obj")
    listed = [names] if isinstance(names, str) else names if names is not None else []
    return first_few(listed, SHOWN) or "unknown, because the batch has no 'id'"
