# SPDX-License-Identifier: Apache-2.0
"""Comparison of an exported form with its bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import AsDiscreted, Compose, ResizeWithPadOrCrop

from monai_kd.bundle.open_bundle import Bundle
from monai_kd.export.forms.form import Arrays, Pixels, Runner
from monai_kd.export.graph import RawNetwork, Segmenter, one_tensor
from monai_kd.export.sample_images import Record, raw_pixels
from monai_kd.export.transforms.translate import is_writer, transforms_of_key
from monai_kd.utils.messages import first_cause, first_line

__all__ = ["Agreement", "Sample", "compare", "inputs", "samples"]


@dataclass(frozen=True)
class Sample:
    """An input of the exported graph, and the bundle's own outputs for it, by name."""

    image: Pixels
    answer: Arrays


@dataclass(frozen=True)
class Agreement:
    """
    How far a form's outputs are from the bundle's.

    Args:
        images: number of images compared.
        largest_difference: of any probability; of logits, relative to the largest one of the image.
        pixels_that_differ: share of the masks' pixels, 0 to 1; None where there are no masks.
    """

    images: int
    largest_difference: float
    pixels_that_differ: float | None

    def __str__(self) -> str:
        masks = (
            "no masks" if self.pixels_that_differ is None else f"{100 * self.pixels_that_differ:.4f} % of pixels differ"
        )
        return f"{self.images} images, {masks}, largest difference {self.largest_difference:.2g}"


def inputs(bundle: Bundle, module: Segmenter | RawNetwork, records: Sequence[Record]) -> list[Callable[[], Pixels]]:
    """Images as the exported graph takes them, each read when it is called; a network alone takes prepared ones."""
    before = Compose(bundle.preprocessing())

    def read(record: Record) -> Pixels:
        if isinstance(module, Segmenter):
            return raw_pixels(bundle, record)
        prepared: Pixels = _window(_prepared(before, record)["image"], bundle).numpy()
        return prepared

    return [partial(read, record) for record in records]


def samples(bundle: Bundle, module: Segmenter | RawNetwork, records: Sequence[Record]) -> list[Sample]:
    """
    Run a bundle on images with its own transforms and inferer, without any exported code.

    Args:
        module: its network is run; its other parts only name the outputs.

    Raises:
        ValueError: When the network does not take an image, or does not return one tensor.
    """
    before, after = Compose(bundle.preprocessing()), bundle.postprocessing()
    made = []
    for record in records:
        if isinstance(module, RawNetwork):
            image = _window(_prepared(before, record)["image"], bundle)
            made.append(Sample(image.numpy(), {"logits": _predicted(bundle, module, image).numpy()}))
        else:
            pixels = raw_pixels(bundle, record)  # first, because its errors say what is wrong with a file
            data = _prepared(before, record)
            prediction = _predicted(bundle, module, _plain(data["image"])[None])[0]
            made.append(Sample(pixels, _answer({**data, "pred": MetaTensor(prediction)}, after, module)))
    return made


def _predicted(bundle: Bundle, module: Segmenter | RawNetwork, image: torch.Tensor) -> torch.Tensor:
    network = module.network
    try:
        with torch.no_grad():
            answer = bundle.inferer(image, network)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"{type(network).__name__} does not take an image of shape {tuple(image.shape)}, which the bundle "
            f"{bundle.root} gives it: {first_line(error)}. Correct its preprocessing, or num_channels and "
            "spatial_shape in its metadata."
        ) from error
    return one_tensor(network, answer)


def _prepared(before: Compose, record: Record) -> Any:
    try:
        return before({key: record[key] for key in ("image", "frame") if key in record})
    except Exception as error:
        raise ValueError(
            f"The bundle's preprocessing does not take the image {record['image']}: {first_line(first_cause(error))} "
            "Check the export with images that the bundle was trained on: --dataset-dir DIR."
        ) from error


def _plain(values: Any) -> torch.Tensor:
    return torch.as_tensor(values).as_subclass(torch.Tensor).float()


def _window(image: Any, bundle: Bundle) -> torch.Tensor:
    """
    A batch of one, cropped to the network's input size where the inferer would take several windows; of a volume that
    the inferer gives to the network slice by slice, the middle one.
    """
    values, size = _plain(image), bundle.input_shape[2:]
    if values.ndim == len(size) + 2:
        values = values[:, values.shape[1] // 2]
    return _plain(ResizeWithPadOrCrop(size)(values))[None]


def _answer(data: Any, after: Sequence[Any], module: Segmenter) -> Arrays:
    """The bundle's own mask and the probabilities behind it, in the order of the pixels, as a batch of one."""
    found: dict[str, torch.Tensor] = {}
    for one in transforms_of_key(after, "pred"):
        if isinstance(one, AsDiscreted):
            found["before"] = data["pred"]
            data = one({**dict.fromkeys(one.keys, data["pred"]), **data})
            onehot = one.to_onehot[one.keys.index("pred")] is not None
            found["mask"] = data["pred"].argmax(0, keepdim=True) if onehot else data["pred"]
        elif not is_writer(one):
            data = one(data)
    arrays = {module.outputs[-1]: _plain(found.get("before", data["pred"]))[None]}
    if "mask" in module.outputs:
        mask = _plain(found["mask"])
        arrays["mask"] = (mask if mask.shape[0] == 1 else mask[None]).to(torch.uint8)
    return {
        name: (value.transpose(-1, -2) if module.transposed and value.ndim > 2 else value).numpy()
        for name, value in arrays.items()
    }


def compare(runner: Runner, made: Sequence[Sample]) -> Agreement:
    """
    Compare a form with the bundle's outputs; ValueError if a shape differs.

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
                    f"The output '{name}' has shape {given[name].shape}, but the bundle's own has {own.shape}. The "
                    "bundle's transforms do something that the exported graph does not: export with --raw."
                )
            if name == "mask":
                different, pixels = different + int((given[name] != own).sum()), pixels + own.size
            else:
                scale = float(np.abs(own).max()) if name == "logits" else 1.0
                difference = float(np.abs(given[name] - own).max()) / max(scale, 1e-12)
                largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return Agreement(len(made), largest, different / pixels if pixels else None)
