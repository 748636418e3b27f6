# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ignite.engine import Engine, Events
from monai.data import decollate_batch, list_data_collate
from monai.engines import SupervisedEvaluator

from monai_kd.data.datasets.tolerant_dataset import FAILURES, reason_of

__all__ = ["ImagesLeftOutError", "InferenceEvaluator"]


class ImagesLeftOutError(SystemExit):
    """
    Ends a program with status 1 after printing the images without a result.

    It is a ``SystemExit`` and no ``Exception``, because MONAI would print two more tracebacks below the message.

    Example:
        >>> raise ImagesLeftOutError("1 of 2 images has no result.")
        Traceback (most recent call last):
        monai_kd.engines.inference_evaluator.ImagesLeftOutError: 1 of 2 images has no result.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class InferenceEvaluator(SupervisedEvaluator):
    """
    MONAI's ``SupervisedEvaluator`` that continues if an image cannot be loaded, predicted or written.

    When all other images are done, the run ends with an error that lists the failed images and the reasons. The data
    must be a :class:`monai_kd.data.TolerantDataset` in a loader with ``collate_tolerant``.

    Args:
        val_handlers: as in ``monai.engines.SupervisedEvaluator``. If all images of a batch failed, its batch and output
            are empty lists.
        supervised_evaluator_args: all other arguments of ``monai.engines.SupervisedEvaluator``.

    Raises:
        ImagesLeftOutError: At the end of the run, when an image has no result.

    Example:
        >>> import torch
        >>> from monai.data import DataLoader
        >>> from monai_kd.data import TolerantDataset, collate_tolerant
        >>> records = [{"id": "1", "image": torch.ones(1, 2)}, {"id": "2"}]
        >>> dataset = TolerantDataset(records, lambda record: {**record, "image": record["image"]})
        >>> evaluator = InferenceEvaluator(
        ...     device=torch.device("cpu"),
        ...     val_data_loader=DataLoader(dataset, collate_fn=collate_tolerant),
        ...     network=torch.nn.Identity(),
        ... )
        >>> evaluator.run()
        Traceback (most recent call last):
        monai_kd.engines.inference_evaluator.ImagesLeftOutError: 1 of 2 images has no result; all others are done:
          2: 'image'
    """

    def __init__(self, val_handlers: Sequence[Any] | None = None, **supervised_evaluator_args: Any) -> None:
        self.failures: dict[str, str] = {}
        self._done: set[str] = set()
        super().__init__(val_handlers=[self, *(val_handlers or ())], **supervised_evaluator_args)

    def attach(self, engine: Engine) -> None:
        """Attach as the first handler, so that a run without any result ends before other handlers write tables."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._require_any)

    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]  # as MONAI's
        self.failures.clear()
        self._done.clear()
        super().run(global_epoch)
        self._report()

    def leave_out(self, ids: Collection[str], reason: str) -> None:
        """
        List images at the end as images without a result.

        Args:
            ids: of images that were predicted, but whose results a handler could not write.
            reason: in words.
        """
        self._done.difference_update(ids)
        self.failures.update(dict.fromkeys(ids, reason))

    def _iteration(self, engine: Any, batchdata: Any) -> Any:
        batch = dict(batchdata)
        self.failures.update(batch.pop(FAILURES, ()))
        engine.state.batch, engine.state.output = [], []
        if not batch:
            return []
        ids = [str(name) for name in batch["id"]]
        engine.state.batch = batch
        try:
            output = super()._iteration(engine, batch)
        except Exception as error:
            if len(ids) > 1:
                return self._one_by_one(engine, batch)
            self.failures[ids[0]] = reason_of(error)
            engine.state.batch, engine.state.output = [], []
            return []
        self._done.update(ids)
        return output

    def _one_by_one(self, engine: Any, batch: dict[str, Any]) -> Any:
        """Run the images of a failed batch one by one, so that the good ones get a result."""
        samples, outputs = [], []
        for sample in decollate_batch(batch):
            outputs += self._iteration(engine, list_data_collate([sample]))
            samples += engine.state.batch
        engine.state.batch, engine.state.output = samples, outputs
        return outputs

    def _require_any(self, engine: Engine) -> None:
        if self.failures and not self._done:
            self._report()

    def _report(self) -> None:
        records = [record for record in self._records() if str(record["id"]) not in self._done]
        if not self.failures and not records:
            return
        failed = len(records or self.failures)
        count, lines = len(self._done) + failed, dict[str, None]()  # all frames of a loop may fail for one reason
        for record in records:
            name, reason = str(record["id"]), self.failures.get(str(record["id"]), "it was never loaded.")
            file = str(record.get("image", name)) if isinstance(record.get("image"), (str, type(None))) else name
            lines[f"  {reason}" if file in reason else f"  {file}: {reason}"] = None
        verb = "has" if failed == 1 else "have"
        others = "; all others are done" if self._done else ""
        raise ImagesLeftOutError(f"{failed} of {count} images {verb} no result{others}:\n" + "\n".join(lines))

    def _records(self) -> list[Mapping[str, Any]]:
        """The records of all images; without a data set, those that failed."""
        data = getattr(getattr(self.data_loader, "dataset", None), "data", None)
        return list(data) if data is not None else [{"id": name} for name in self.failures]
