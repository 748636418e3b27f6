# SPDX-License-Identifier: Apache-2.0
"""Masks of DICOM images, written as DICOM Segmentations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.data import MetaTensor

from monai_kd.data.datasets.tolerant_dataset import reason_of
from monai_kd.data.dicom_output.image_segmentation import ImageSegmentation, segmentation_name
from monai_kd.data.dicom_output.segments import LESION, Segment
from monai_kd.data.dicom_output.source import highdicom
from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.digest import sha256

__all__ = ["DicomSegmentationHandler"]


class DicomSegmentationHandler:
    """
    Write the masks of each DICOM image as a DICOM Segmentation, one file for all frames of a loop.

    The file is ``<output_dir>/<image's id>.dcm``, without the frame's number. It refers to the image by its UIDs, frame
    by frame, and names the version of monai_kd and the SHA-256 of the weights. It needs highdicom:
    ``pip install 'monai_kd[dicom]'``.

    A file is written when all frames of its image were seen. If some frames failed, the file holds the others, and is
    written when the next image comes or the run ends.

    Args:
        output_dir: folder of the files; made if missing. An earlier segmentation of the same image is replaced.
        checkpoint: the file of the weights.
        segments: what the classes 1, 2, … of a mask are. Defaults to None: a lesion of the breast.
        parameters: further settings to write down, by name, such as ``{"smooth_frames": 3}``.
        key: of the masks in the engine's output; each has the metadata of ``LoadUltrasoundd``.

    Raises:
        ImportError: When highdicom is not installed.

    Example:
        >>> handler = DicomSegmentationHandler("masks", "models/model.pt")
        >>> handler.attach(Engine(lambda engine, batch: []))
    """

    def __init__(
        self,
        output_dir: str | PathLike[str],
        checkpoint: str | PathLike[str],
        segments: Sequence[Segment] | None = None,
        parameters: Mapping[str, Any] | None = None,
        key: str = "pred",
    ) -> None:
        highdicom()
        self.output_dir, self.checkpoint, self.key = Path(output_dir), Path(checkpoint), key
        self.segments = (LESION,) if segments is None else tuple(segments)
        self.parameters = dict(parameters or {})
        self._weights: str | None = None
        self._open: ImageSegmentation | None = None

    def attach(self, engine: Engine) -> None:
        """Collect masks after each iteration of ``engine``, and write what is left at its end."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _reset(self) -> None:
        """Forget what a run that was broken off left open."""
        self._open = None

    def _collect(self, engine: Any) -> None:
        for sample in engine.state.output:
            mask = sample[self.key]
            name = mask_name(mask)
            try:
                self._of_image(engine, mask).add(name, max(int(mask.meta.get("frame", 0)), 0), mask.cpu().numpy())
            except Exception as error:
                _leave_out(engine, [name], error)
                continue
            if self._open is not None and self._open.is_complete:
                self._write(engine)

    def _of_image(self, engine: Engine, mask: MetaTensor) -> ImageSegmentation:
        """The segmentation of this mask's image; that of the image before is written if it is still open."""
        image = Path(str(mask.meta["filename_or_obj"]))
        if self._open is None or self._open.image != image:
            self._write(engine)
            self._open = ImageSegmentation(image, self.output_dir / segmentation_name(mask), self.segments)
        return self._open

    def _write(self, engine: Engine) -> None:
        done, self._open = self._open, None
        if done is None or not done.names:
            return
        try:
            if self._weights is None:
                self._weights = sha256(self.checkpoint)
            done.write(self._weights, self.parameters)
        except Exception as error:
            _leave_out(engine, done.names, error)


def _leave_out(engine: Engine, names: Sequence[str], error: Exception) -> None:
    """Go on with other images if the engine lists those without a result at its end."""
    if not hasattr(engine, "leave_out"):
        raise error
    engine.leave_out(names, reason_of(error))
