# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from ignite.handlers.checkpoint import BaseSaveHandler
from monai.handlers import CheckpointSaver
from torch import nn

from monai_kd.features import unwrap
from monai_kd.handlers.undefined_metrics import is_undefined, mark_undefined
from monai_kd.utils.checkpoints import first_not_finite, save_checkpoint
from monai_kd.utils.processes import is_first_process

__all__ = ["AtomicCheckpointSaver", "save_atomically"]


def save_atomically(
    checkpoint: Mapping[str, Any], path: Path, objects: Mapping[str, Any], record: Mapping[str, Any] | None = None
) -> None:
    """
    Save a checkpoint with :func:`monai_kd.utils.checkpoints.save_checkpoint` if all weights are finite.

    Args:
        checkpoint: state dicts by name.
        path: file to replace; after an error the old file is still there.
        objects: the objects of the state dicts, by name; networks among them are checked.
        record: how the weights were made, for the file.

    Raises:
        ValueError: When the file cannot be written (no space, no permission), or weights are NaN or infinite.
    """
    for name, network in objects.items():
        if isinstance(network, nn.Module):
            found = first_not_finite(network.state_dict(), own=dict(network.named_buffers()))
            if found is not None:
                raise ValueError(
                    f"'{path}' was not saved: the weights of '{name}' are not finite, first {found}. An older file "
                    "was kept. Lower the learning rate, or check images and loss."
                )
    save_checkpoint(checkpoint, path, record)


class _AtomicSaveHandler(BaseSaveHandler):
    """Remove the old file after the new one is complete; ignite removes it before."""

    def __init__(
        self, folder: str, filename: str | None, objects: Mapping[str, Any], record: Mapping[str, Any] | None
    ) -> None:
        self.folder, self.filename, self.objects = Path(folder).expanduser(), filename, objects
        self.record = record
        self._retired: list[Path] = []

    def __call__(self, checkpoint: Mapping[str, Any], filename: str, metadata: Mapping[str, Any] | None = None) -> None:
        if not is_first_process():
            return
        path = self.path(filename)
        save_atomically(checkpoint, path, self.objects, self.record)
        for retired in self._retired:
            if retired != path:
                retired.unlink(missing_ok=True)
        self._retired.clear()

    def remove(self, filename: str) -> None:
        self._retired.append(self.path(filename))

    def path(self, filename: str) -> Path:
        return self.folder / (self.filename or filename)


class AtomicCheckpointSaver(CheckpointSaver):
    """
    MONAI's ``CheckpointSaver``, safe if the process is killed or the disk is full.

    - The old checkpoint is kept until the new one is complete. The file holds a digest, which
      :func:`monai_kd.load_weights` checks. Weights that are not finite are never saved.
    - In distributed training only the first process writes.
    - It can be resumed (``state_dict``), so a resumed run compares its best checkpoint with the one from before.
    - Weights with an undefined key metric (NaN, or the Dice of images without a lesion) never replace weights with a
      defined one. Until there is a defined one, the last weights are kept.

    Args:
        save_dir: folder of the checkpoints.
        save_dict: objects to save, by name; a single object is saved as a bare state dict.
        record: plain values that say how the weights were made, saved in the same file. Bundles give
            :func:`monai_kd.bundle.record.training_record`. Defaults to None: no record.
        checkpoint_saver_args: all other arguments of ``monai.handlers.CheckpointSaver``.

    Raises:
        ValueError: When the folder cannot be created; in the run, when a checkpoint cannot be written or its weights
            are not finite.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> from tempfile import TemporaryDirectory
        >>> network, trainer = nn.Conv2d(1, 2, 1), Engine(lambda engine, batch: None)
        >>> with TemporaryDirectory() as folder:
        ...     saver = AtomicCheckpointSaver(folder, {"model": network}, save_final=True, final_filename="model.pt")
        ...     saver.attach(trainer)
        ...     _ = trainer.run([0])
        ...     sorted(torch.load(f"{folder}/model.pt", weights_only=True))
        ['bias', 'weight']
    """

    def __init__(
        self,
        save_dir: str,
        save_dict: dict[str, Any],
        record: Mapping[str, Any] | None = None,
        **checkpoint_saver_args: Any,
    ) -> None:
        try:
            plain = {k: unwrap(v) if isinstance(v, nn.Module) else v for k, v in save_dict.items()}
            super().__init__(save_dir=save_dir, save_dict=plain, **checkpoint_saver_args)
        except OSError as error:
            raise ValueError(
                f"Cannot write to the folder '{save_dir}': {error.strerror}. Choose one that is writable."
            ) from None
        filenames = (
            (self._final_checkpoint, checkpoint_saver_args.get("final_filename")),
            (self._key_metric_checkpoint, checkpoint_saver_args.get("key_metric_filename")),
            (self._interval_checkpoint, None),
        )
        for checkpoint, filename in filenames:
            if checkpoint is not None:
                checkpoint.save_handler = _AtomicSaveHandler(save_dir, filename, plain, record)  # type: ignore[assignment]

    def attach(self, engine: Engine) -> None:
        mark_undefined(engine)
        super().attach(engine)

    def metrics_completed(self, engine: Engine) -> None:
        tracked: Any = self._key_metric_checkpoint
        undefined = is_undefined(tracked.score_function(engine))
        former = [item for item in tracked._saved if not is_undefined(item.priority)]
        if undefined and former:
            return
        for item in [item for item in tracked._saved if item not in former]:
            tracked._saved.remove(item)
            tracked.save_handler.remove(item.filename)
        super().metrics_completed(engine)

    def state_dict(self) -> dict[str, Any]:
        """Scores and file names of the checkpoints kept so far."""
        tracked = self._key_metric_checkpoint
        if tracked is None:
            return {}
        # Plain numbers, because weights_only=True does not load those of NumPy, which ROCAUC gives.
        return {key: [(float(score), name) for score, name in kept] for key, kept in tracked.state_dict().items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the scores; ValueError if one of their checkpoints is missing."""
        tracked = self._key_metric_checkpoint
        if not state_dict or tracked is None:
            return
        handler: Any = tracked.save_handler
        missing = [path for _, name in state_dict["_saved"] if not (path := handler.path(name)).is_file()]
        if missing:
            raise ValueError(f"the best checkpoint so far, '{missing[0]}', is missing.")
        super().load_state_dict(state_dict)
