# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torch
from torch import nn

from monai_kd.teachers.content_keys import image_keys, network_key, weighted_sums
from monai_kd.teachers.feature_files import FeatureFiles
from monai_kd.teachers.live_teacher import LiveTeacher
from monai_kd.utils.plain_tensor import plain

__all__ = ["CachedTeacher"]


class CachedTeacher(LiveTeacher):
    """
    A frozen network that runs once on every image, and whose features are then looked up.

    It needs un-augmented images: use :class:`monai_kd.engines.PrepareBatchViews` with ``teacher=View()`` and
    ``aligned=True``, which also moves the features into the student's view. The cache key is made of the image's
    content, the teacher's weights and structure, the layer, the inferer with its settings, and the precision, so
    outdated features are never used. Within a run, the trainer's images are known by their "id" (``names``). Each image
    runs by itself, so its features do not depend on its first batch, and a resumed run equals an uninterrupted one bit
    for bit.

    Memory: images × Σ over layers of the feature's size × bytes per number. For 130 images of 224×224 that is 52 MB for
    the logits of two classes, and 46 MB for features of 1824 channels at 7×7. ``nbytes`` gives the actual number, and
    so does the log at the end of a run.

    Args:
        network: the teacher, as in :class:`LiveTeacher`. Its weights must not change during a run.
        layers: those that the pathways compare, ``pathways.teacher_layers``.
        folder: folder that keeps features for later runs; several runs can share it. Defaults to None: features are
            kept in memory, for one run.
        device: device of the features in memory. Defaults to None: the teacher's, so that none is copied in training.
        in_memory: False leaves features in ``folder`` and maps them into memory only while a batch needs them, for
            more features than memory holds. Defaults to True.
        dtype: type of the kept features. ``torch.float16`` halves the memory and rounds each number to 11 bits (a
            relative error of at most 2^-11, 0.05 %). Defaults to None: as the teacher gives them.

    Raises:
        ValueError: When a layer does not exist, or the folder is missing or not writable; in the run, when the
            teacher's weights change, a layer gives more samples than images (an inferer's windows), a number is too
            large for ``dtype`` or not finite, or a file is damaged.

    Example:
        >>> image = torch.rand(2, 1, 4, 4)
        >>> with CachedTeacher(torch.nn.Conv2d(1, 2, 1), layers=[""]) as teacher:
        ...     first, again = teacher(image), teacher(image.flip(0))
        >>> len(teacher), torch.equal(first[""], again[""].flip(0))
        (2, True)
    """

    def __init__(
        self,
        network: nn.Module,
        layers: tuple[str, ...] | list[str],
        folder: str | PathLike[str] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        in_memory: bool = True,
    ) -> None:
        super().__init__(network, layers)
        if folder is None and not in_memory:
            raise ValueError("in_memory=False needs a folder that keeps the teacher's features. Set folder.")
        self.in_memory = in_memory
        self.dtype = dtype
        self._storage = None if device is None else torch.device(device)
        self._files = None if folder is None else FeatureFiles(folder)
        self._features: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
        self._named: dict[tuple[str, str, torch.Size, float], str] = {}
        self._network_key = ""
        self._weights: list[torch.Tensor] | None = None
        self._versions: list[int] = []

    def __len__(self) -> int:
        """Number of different images seen in this run."""
        return len(self._features)

    @property
    def nbytes(self) -> int:
        """Size of the features in memory, in bytes."""
        return sum(feature.nbytes for features in self._features.values() for feature in features.values())

    def __enter__(self) -> CachedTeacher:
        super().__enter__()
        self._features.clear()
        self._named.clear()
        # Kept, because walking through a network at every step takes longer than looking features up.
        self._weights = [*self.network.parameters(), *self.network.buffers()]
        self._network_key, self._versions = network_key(self.network), self._current_versions()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        logging.getLogger(__name__).info(f"Cached teacher: {len(self)} images, {self.nbytes / 1e6:.1f} MB.")

    def __call__(
        self, image: torch.Tensor, inferer: Callable[..., Any] | None = None, names: Sequence[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            image: the un-augmented batch, shape BNH[WD].
            inferer: MONAI's inferer. Defaults to None: the network is called once.
            names: of the images. An image is then known by its name, by every eighth pixel along each axis and by a
                weighted sum of its pixels, faster than by all of its content. Defaults to None: by its content.

        Returns:
            Features by layer name, shape BMH[WD], in the image's type, without gradient history.
        """
        if self._weights is None or self._current_versions() != self._versions:
            raise ValueError(
                "The cached teacher's weights changed, or it was not opened (`with teacher:`), so its features may be "
                "outdated. A teacher that changes during the run must be run live: give the network itself."
            )
        image, settings = plain(image), self._settings(image, inferer)
        keys = [(settings, key) for key in self._keys(image, names)]
        found = []
        for i, key in enumerate(keys):
            # From memory, else from disk, else (also if the file was removed) from the network.
            features = self._features.get(key) or self._read(*key, image.device)
            features = features or self._run(key, image[i : i + 1], inferer)
            self._features[key] = features if self.in_memory else {}
            found.append(features)
        return {
            layer: torch.stack([features[layer] for features in found]).to(image.device, image.dtype)
            for layer in self.layers
        }

    def _keys(self, image: torch.Tensor, names: Sequence[str] | None) -> list[str]:
        """The keys of the images' content, which is read once for each name."""
        if names is None or len(names) != len(image):
            return image_keys(image)
        few: Any = (..., *[slice(None, None, 8)] * (image.ndim - 2))
        looks = zip(names, image_keys(image[few]), weighted_sums(image), strict=True)
        seen = [(str(name), key, image.shape[1:], total) for name, key, total in looks]
        if any(one not in self._named for one in seen):
            self._named.update(zip(seen, image_keys(image), strict=True))
        return [self._named[one] for one in seen]

    def _read(self, settings: str, image: str, device: torch.device) -> dict[str, torch.Tensor] | None:
        features = (
            None if self._files is None else self._files.read(settings, image, self.layers, mapped=not self.in_memory)
        )
        return features and {layer: feature.to(self._storage or device) for layer, feature in features.items()}

    def _run(
        self, key: tuple[str, str], image: torch.Tensor, inferer: Callable[..., Any] | None
    ) -> dict[str, torch.Tensor]:
        features = {}
        for layer, feature in super().__call__(image, inferer).items():
            if len(feature) != 1:
                raise ValueError(
                    f"Layer '{layer}' of the teacher gives {len(feature)} samples for one image, the windows of an "
                    "inferer, which cannot be cached. Use a SimpleInferer, or the teacher's output, layer ''."
                )
            kept = feature[0].to(self.dtype or feature.dtype, copy=True)
            if not feature.isfinite().all():
                raise ValueError(
                    f"Layer '{layer}' of the teacher is not finite for an image. Check the teacher's weights, and that "
                    "the images are finite."
                )
            if not kept.isfinite().all():
                raise ValueError(
                    f"Layer '{layer}' of the teacher reaches {feature.abs().max():.3g}, too large for {self.dtype}. "
                    "Keep features in torch.bfloat16, or as they are: dtype=None."
                )
            features[layer] = kept.to(self._storage or image.device)
        if self._files is not None:
            self._files.write(*key, features)
        return features

    def _current_versions(self) -> list[int]:
        return [tensor._version for tensor in self._weights or ()]

    def _settings(self, image: torch.Tensor, inferer: Callable[..., Any] | None) -> str:
        """A key of everything that a feature depends on, except the image and the layer."""
        kind = image.device.type
        autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        how = (type(inferer).__name__, sorted((k, repr(v)) for k, v in getattr(inferer, "__dict__", {}).items()))
        described = repr((self._network_key, how, str(autocast), str(self.dtype)))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()
