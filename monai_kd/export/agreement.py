# SPDX-License-Identifier: Apache-2.0
"""Whether an exported form answers as its bundle does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import AsDiscreted, Compose, ResizeWithPadOrCrop

from monai_kd.export.bundle import Bundle
from monai_kd.export.graph import RawNetwork, Segmenter
from monai_kd.export.images import Pixels, Record, raw_pixels
from monai_kd.export.runners import Arrays, Runner
from monai_kd.export.steps import softmax
from monai_kd.export.translate import concerning, is_writer

__all__ = ["Agreement", "Sample", "compare", "inputs", "samples"]


@dataclass(frozen=True)
class Sample:
    """
    What a caller passes, and what the bundle itself answers.

    Args:
        image: as the graph takes it.
        answer: by output.
    """

    image: Pixels
    answer: Arrays


@dataclass(frozen=True)
class Agreement:
    """
    How far answers are from the bundle's.

    Args:
        images: how many were compared.
        largest_difference: of any probability (of a network alone: of any logit, relative to the largest).
        pixels_that_differ: share of the masks' pixels; None where there are no masks.
    """

    images: int
    largest_difference: float
    pixels_that_differ: float | None

    def __str__(self) -> str:
        masks = (
            "no masks" if self.pixels_that_differ is None else f"{100 * self.pixels_that_differ:.4f} % of pixels differ"
        )
        return f"{self.images} images, {masks}, largest difference {self.largest_difference:.2g}"


def inputs(bundle: Bundle, module: Segmenter | RawNetwork, records: Sequence[Record]) -> list[Pixels]:
    """
    Images as the exported graph takes them.

    Args:
        bundle: says how they are loaded and, for a network alone, pre-processed.
        module: what is exported.
        records: of the images.
    """
    if isinstance(module, Segmenter):
        return [raw_pixels(bundle, record) for record in records]
    before = Compose(bundle.preprocessing())
    return [_window(before(_only_image(record))["image"], bundle).numpy() for record in records]


def samples(bundle: Bundle, module: Segmenter | RawNetwork, records: Sequence[Record]) -> list[Sample]:
    """
    Run a bundle on images: its own transforms before and after its network, nothing of what is exported.

    Args:
        bundle: says how.
        module: names the outputs; holds the network with its weights.
        records: of the images.
    """
    before, after = Compose(bundle.preprocessing()), bundle.postprocessing()
    made = []
    for image, record in zip(inputs(bundle, module, records), records, strict=True):
        data: Any = before(_only_image(record))
        raw = isinstance(module, RawNetwork)
        with torch.no_grad():
            prediction = module.network(torch.from_numpy(image) if raw else _plain(data["image"])[None])
        if isinstance(module, RawNetwork):
            made.append(Sample(image, {"logits": prediction.numpy()}))
        else:
            made.append(Sample(image, _answer({**data, "pred": MetaTensor(prediction[0])}, after, module)))
    return made


def _only_image(record: Record) -> dict[str, Any]:
    return {key: record[key] for key in ("image", "frame") if key in record}


def _plain(values: Any) -> torch.Tensor:
    return torch.as_tensor(values).as_subclass(torch.Tensor).float()


def _window(image: Any, bundle: Bundle) -> torch.Tensor:
    """A batch of the network's own size: the middle of what may be larger, where an inferer takes windows."""
    return _plain(ResizeWithPadOrCrop(bundle.input_shape()[2:])(_plain(image)))[None]


def _answer(data: Any, after: Sequence[Any], module: Segmenter) -> Arrays:
    """The bundle's own mask and the probabilities before it, in the order of the pixels, as a batch of one."""
    found: dict[str, torch.Tensor] = {}
    for one in concerning(after, "pred"):
        if isinstance(one, AsDiscreted):
            found["probabilities"] = data["pred"]
            data = one({**dict.fromkeys(one.keys, data["pred"]), **data})
            onehot = one.to_onehot[one.keys.index("pred")] is not None
            found["mask"] = data["pred"].argmax(0, keepdim=True) if onehot else data["pred"]
        elif not is_writer(one):
            data = one(data)
    values = _plain(found.get("probabilities", data["pred"]))[None]
    if module.threshold is None and not module.activated:
        values = softmax(values)
    arrays = {"probabilities": values}
    if "mask" in module.outputs:
        mask = _plain(found["mask"])
        arrays["mask"] = (mask if mask.shape[0] == 1 else mask[None]).to(torch.uint8)
    return {
        name: (value.transpose(-1, -2) if module.transposed and value.ndim > 2 else value).numpy()
        for name, value in arrays.items()
    }


def compare(runner: Runner, made: Sequence[Sample]) -> Agreement:
    """
    Compare a form with the bundle.

    Args:
        runner: the form.
        made: images with the bundle's answers.

    Example:
        >>> sample = Sample(np.zeros(1), {"probabilities": np.array([0.5]), "mask": np.array([1])})
        >>> compare(lambda image: {"probabilities": np.array([0.25]), "mask": np.array([0])}, [sample])
        Agreement(images=1, largest_difference=0.25, pixels_that_differ=1.0)
    """
    largest, different, pixels = 0.0, 0, 0
    for sample in made:
        given = runner(sample.image)
        for name, own in sample.answer.items():
            if given[name].shape != own.shape:
                raise ValueError(
                    f"The output '{name}' has the shape {given[name].shape}, the bundle's own {own.shape}. The "
                    "bundle's transforms do something that the exported graph does not: export with --raw."
                )
            if name == "mask":
                different, pixels = different + int((given[name] != own).sum()), pixels + own.size
            else:
                scale = float(np.abs(own).max()) if name == "logits" else 1.0
                difference = float(np.abs(given[name] - own).max()) / max(scale, 1e-12)
                largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return Agreement(len(made), largest, different / pixels if pixels else None)
