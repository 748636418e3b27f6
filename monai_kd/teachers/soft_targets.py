# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, RandomizableTrait

from monai_kd.utils.atomic_files import atomic_write, require_writable
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.plain_tensor import plain
from monai_kd.utils.processes import gather, process_count, rank

__all__ = ["LoadSoftTargetd", "SoftTargets"]

logger = logging.getLogger(__name__)
PROVENANCE = "provenance.json"
TELL_EVERY = 30.0  # seconds
Network = Callable[[torch.Tensor], torch.Tensor]


class SoftTargets:
    """
    A teacher's logits on whole cases, kept as files: the teacher runs once on each case.

    ``<case>.npy`` holds the logits in half precision (relative error at most 2^-11), ``<case>.json`` the digest of the
    image's files, ``provenance.json`` the digest of the weights and the settings. A case whose files changed is
    computed anew; other weights or settings are refused. Each file is written whole or not at all, so a stopped run
    goes on. One case is in memory at a time, and a training maps into memory only the patches that it uses.

    Args:
        folder: where the answers are kept; made if missing.
        weights: the file of the teacher's weights.
        settings: what else decides an answer, as JSON: the preprocessing, say.
        mirror_axes: spatial axes along which the teacher also sees mirror images; the answer is the mean of its logits
            over all combinations. Axes of an image that the inferer hands to the network. Defaults to none.

    Raises:
        ValueError: In :meth:`fill`, when the folder holds the answers of another teacher, or an answer is not finite in
            half precision.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     torch.save({}, f"{folder}/teacher.pt")
        ...     targets = SoftTargets(f"{folder}/soft_targets", f"{folder}/teacher.pt")
        ...     Path(folder, "a_0000.raw").touch()
        ...     cases = [{"case": "a", "image": f"{folder}/a_0000.raw"}]
        ...     how = {"transform": lambda case: {"image": torch.ones(1, 2, 4, 4)}, "network": torch.nn.Identity()}
        ...     targets.fill(cases, **how), targets.fill(cases, **how), targets.load("a").shape
        (1, 0, (1, 2, 4, 4))
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        weights: str | PathLike[str],
        settings: Mapping[str, Any] | None = None,
        mirror_axes: Sequence[int] = (),
    ) -> None:
        self.folder, self.weights = Path(folder), Path(weights)
        self.settings = dict(settings or {})
        self.mirror_axes = tuple(mirror_axes)

    def fill(
        self,
        cases: Sequence[Mapping[str, Any]],
        transform: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        network: torch.nn.Module,
        inferer: Callable[..., Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> int:
        """
        Run the teacher on every case that has no answer yet. Several processes share the cases.

        Args:
            cases: with "case", a name, and "image", the path of a file or several.
            transform: loads and preprocesses a case; its "image" has shape CH[WD].
            network: the teacher.
            inferer: how it is applied, as in MONAI's engines. Defaults to one call.
            device: where it runs.

        Returns:
            How many cases it ran on in this process.
        """
        own = _once(cases)[rank() :: process_count()]
        self._claim()
        missing = [(case, of) for case in own if not self._has(case["case"], of := _digest(case))]
        if missing:
            logger.info("Soft targets: the teacher runs on %d cases, once, into %s.", len(missing), self.folder)
            former = next((weight.device for weight in network.parameters()), device)
            network.to(device).eval()
            told = time.monotonic()
            for done, (case, of) in enumerate(missing):
                if time.monotonic() - told >= TELL_EVERY:
                    logger.info("Soft targets: %d of %d cases are done.", done, len(missing))
                    told = time.monotonic()
                self._write(case["case"], of, self._answer(transform(case)["image"], network, inferer, device))
            network.to(former)  # leaves the device's memory to the student
        gather([])  # each process reads what the others wrote
        return len(missing)

    def load(self, case: str) -> np.ndarray:
        """
        A case's logits, mapped into memory as they are used.

        Args:
            case: its name.

        Returns:
            Shape NH[WD], half precision.

        Raises:
            FileNotFoundError: When the teacher did not run on this case.
        """
        file = self.folder / f"{case}.npy"
        if not file.is_file():
            raise FileNotFoundError(
                f"No soft target '{file}': the teacher did not run on case '{case}'. Start the training anew, which "
                "runs it on all training cases first."
            )
        content: np.ndarray = np.load(file, mmap_mode="c")
        return content

    def _claim(self) -> None:
        require_writable(self.folder)
        own = {"weights_sha256": sha256(self.weights), "mirror_axes": list(self.mirror_axes), "settings": self.settings}
        own, file = json.loads(json.dumps(own)), self.folder / PROVENANCE
        if not file.is_file():
            write_json(file, own)
            return
        former = read_json(file, "Remove the folder; the teacher then runs anew.")
        changed = [key for key, value in own.items() if former.get(key) != value]
        if changed:
            raise ValueError(
                f"The soft targets in '{self.folder}' were made with another {' and '.join(changed)}. Remove the "
                "folder, or name another one: --soft-target-dir DIR."
            )

    def _has(self, case: str, digest: str) -> bool:
        told, kept = self.folder / f"{case}.json", self.folder / f"{case}.npy"
        if not (told.is_file() and kept.is_file()):
            return False
        try:
            return read_json(told)["image_sha256"] == digest and list(self.load(case).shape) == read_json(told)["shape"]
        except (ValueError, KeyError, TypeError):  # cut off or damaged: computed anew
            return False

    def _answer(
        self, image: torch.Tensor, network: Network, inferer: Callable[..., Any] | None, device: torch.device | str
    ) -> torch.Tensor:
        batch = plain(torch.as_tensor(image))[None].to(device)
        mirrored = _mirrored(network, self.mirror_axes)
        with torch.no_grad():
            logits: torch.Tensor = mirrored(batch) if inferer is None else inferer(batch, mirrored)
        return plain(logits)[0].cpu()

    def _write(self, case: str, digest: str, logits: torch.Tensor) -> None:
        kept = logits.half().numpy()
        if not np.isfinite(kept).all():
            raise ValueError(
                f"The teacher's logits on case '{case}' reach {float(logits.abs().max()):.3g}, which half precision "
                "does not hold. Check the image and the teacher's weights; a live teacher has no such limit."
            )
        with atomic_write(self.folder / f"{case}.npy") as temporary:
            np.save(temporary, kept)
        write_json(self.folder / f"{case}.json", {"image_sha256": digest, "shape": list(kept.shape)})


class LoadSoftTargetd(RandomizableTrait, MapTransform):
    """
    Adds a teacher's stored logits to a case, before random crops and flips move both alike.

    Caching data sets of MONAI stop before it: the logits are mapped from their file each time, of which a crop reads
    its patch alone.

    Args:
        soft_targets: filled before the training.
        key: of the logits.
        image_key: of the preprocessed image, whose size they must have.

    Raises:
        ValueError: At the call, when the sizes differ.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/a.npy", np.zeros((2, 4, 4), dtype=np.float16))
        ...     load = LoadSoftTargetd(SoftTargets(folder, "teacher.pt"))
        ...     load({"case": "a", "image": torch.ones(1, 4, 4)})["soft_target"].shape
        torch.Size([2, 4, 4])
    """

    def __init__(self, soft_targets: SoftTargets, key: str = "soft_target", image_key: str = "image") -> None:
        super().__init__([image_key])
        self.soft_targets, self.key, self.image_key = soft_targets, key, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """
        Args:
            data: a case with "case", its name, and the image, shape CH[WD].

        Returns:
            The case with logits, shape NH[WD], in half precision.
        """
        logits = torch.from_numpy(self.soft_targets.load(data["case"]))
        image = data[self.image_key]
        if logits.shape[1:] != image.shape[1:]:
            sizes = tuple(image.shape[1:]), tuple(logits.shape[1:])
            raise ValueError(
                f"Case '{data['case']}' has size {sizes[0]}, and its soft target {sizes[1]}. Start the training anew, "
                "which runs the teacher on cases that changed."
            )
        return {**data, self.key: logits}


def _mirrored(network: Network, axes: Sequence[int]) -> Network:
    combinations = [c for count in range(len(axes) + 1) for c in itertools.combinations(axes, count)]

    def answer(image: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        total = torch.zeros(())
        for combination in combinations:
            dims = [axis + 2 for axis in combination]
            logits = network(image.flip(dims)).flip(dims) if dims else network(image)
            total = total.to(logits) + logits
        return total / len(combinations)

    return answer


def _once(cases: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({case["case"]: case for case in cases}.values())


def _digest(case: Mapping[str, Any]) -> str:
    files = [case["image"]] if isinstance(case["image"], str | PathLike) else case["image"]
    return " ".join(sha256(Path(file)) for file in files)
