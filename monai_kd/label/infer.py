# SPDX-License-Identifier: Apache-2.0
"""Inference with a bundle's network; masks have each image's own grid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers import Inferer
from monai.transforms import AsDiscreted, Compose, KeepLargestConnectedComponent, SaveImaged
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask

from monai_kd.data.image_files.formats import is_picture, mask_suffix
from monai_kd.data.image_files.geometry import PICTURE
from monai_kd.data.image_files.saving import write_image
from monai_kd.label.bundle import AppBundle
from monai_kd.label.requests.devices import chosen_device
from monai_kd.label.requests.limits import limit_large_images, require_decodable
from monai_kd.label.requests.request_files import new_file
from monai_kd.teachers import load_weights

__all__ = ["ANSWERS", "BundleInfer"]

ANSWERS = (".png", ".nrrd", ".nii.gz", ".nii")


class BundleInfer(BasicInferTask):
    """
    Inference with a bundle's ``inference.json``: its pre-processing, network, inferer and post-processing.

    A client can set ``probability`` (of the first label, 0 to 1, in PNG 0 to 255), ``largest_component``, and
    ``result_extension``: PNG (0 and 255), NRRD or NIfTI (0 and 1). The default format fits the image's, as in
    ``save_mask``.

    Args:
        names: the config and its overlays: ``inference``, or ``inference`` and ``teacher``.
        description: for the client.
    """

    def __init__(self, bundle: AppBundle, names: Sequence[str], description: str) -> None:
        self.bundle = bundle
        self.names = names
        config = bundle.parser(*names)
        self.weights = Path(config.get_parsed_content("checkpoint"))
        self._of_thread = threading.local()  # Invertd changes the transforms while it inverts them
        super().__init__(
            path=str(self.weights),
            network=None,
            type=InferType.SEGMENTATION,
            labels=bundle.labels,
            dimension=len(config["spatial_size"]),
            description=description,
            config={"probability": False, "largest_component": False},
        )

    def is_valid(self) -> bool:
        """Whether there are weights to serve."""
        return self.weights.is_file()

    def pre_transforms(self, data: Any = None) -> Sequence[Callable[..., Any]]:
        """The bundle's ``preprocessing``."""
        return self._made(data["device"])[0]

    def inferer(self, data: Any = None) -> Inferer:
        """The bundle's ``inferer``."""
        return self._made(data["device"])[1]

    def post_transforms(self, data: Any = None) -> Sequence[Callable[..., Any]]:
        """The bundle's ``postprocessing`` before a file is written; for a probability, before the arg-max."""
        end = (SaveImaged, AsDiscreted) if data["probability"] else SaveImaged
        return list(takewhile(lambda step: not isinstance(step, end), self._made(data["device"])[2]))

    def probability(self, image: str, device: str = "cpu") -> torch.Tensor:
        """The probability of the first label on the grid of the image file, shape (W, H[, D])."""
        data = self({"image": image, "device": device, "probability": True, "skip_writer": True, "logging": "ERROR"})[1]
        return self._foreground(data)

    def __call__(self, request: Any, callbacks: Any = None) -> tuple[Any, Any]:
        """As in :class:`BasicInferTask`, on an existing device; large images are processed one at a time."""
        image = Path(request["image"])
        for name in ("probability", "largest_component"):
            if not isinstance(request.get(name, False), bool):
                raise ValueError(f"{name} must be true or false, got {request[name]!r}.")
        require_decodable(image, "The image")
        with limit_large_images(image):
            return super().__call__({**request, "device": chosen_device(request)}, callbacks)

    def writer(self, data: Any, extension: Any = None, dtype: Any = None) -> tuple[Any, Any]:
        """Write the answer to a file, and describe it."""
        suffix = data.get("result_extension") or mask_suffix(data["image_path"])
        if suffix not in ANSWERS:
            raise ValueError(
                f"No answer in the format {suffix!r}. Set result_extension to one of {', '.join(ANSWERS)}."
            )
        values = self._foreground(data)
        if data["largest_component"] and not data["probability"]:
            values = KeepLargestConnectedComponent(is_onehot=False)(values[None])[0]
        affine = PICTURE if is_picture(data["image_path"]) else data["image"].meta["original_affine"]
        path = new_file(suffix)
        write_image(_stored(values, path, bool(data["probability"])), affine, path)
        return str(path), {
            "format": suffix,
            "spatial_shape": list(values.shape),
            "empty": not bool((values > 0.5).any()),
        }

    def _foreground(self, data: Any) -> torch.Tensor:
        """The first label's mask or probability, (W, H[, D])."""
        values = torch.as_tensor(data["pred"]).float().cpu()
        if data["probability"]:
            return values[next(iter(self.labels.values()))]
        # Some bundles leave axes of length 1.
        return values.reshape(tuple(int(side) for side in data["image"].meta["spatial_shape"])).gt(0).float()

    def _made(self, device: Any) -> tuple[list[Any], Inferer, list[Any]]:
        made: dict[str, tuple[list[Any], Inferer, list[Any]]] = self._of_thread.__dict__
        key = str(device)
        if key not in made:
            config = self.bundle.parser(*self.names, device=device)
            pre, post = (_transforms(config.get_parsed_content(name)) for name in ("preprocessing", "postprocessing"))
            made[key] = (pre, config.get_parsed_content("inferer"), post)
        return made[key]

    def _get_network(self, device: Any, data: Any) -> torch.nn.Module:
        """The network with the current weights; it is loaded again after a training has published new ones."""
        status = self.weights.stat() if self.weights.is_file() else None
        stamp = status and (status.st_mtime_ns, status.st_ino)
        network, of_stamp = self._networks.get(device, (None, None))
        if network is None or stamp != of_stamp:
            network = self.bundle.parser(*self.names).get_parsed_content("network_def")
            network = load_weights(network, self.weights).to(device).eval()
            self._networks[device] = (network, stamp)
        return network


def _transforms(made: Any) -> list[Any]:
    return list(made.transforms) if isinstance(made, Compose) else list(made)


def _stored(values: torch.Tensor, path: Path, probability: bool) -> npt.NDArray[Any]:
    array = values.numpy()
    if is_picture(path):
        if array.ndim > 2:
            raise ValueError(f"PNG holds no volume, but the answer is {array.shape}. Set result_extension to .nrrd.")
        return np.rint(array * 255).astype(np.uint8)
    return array.astype(np.float32 if probability else np.uint8)
