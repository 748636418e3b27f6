# SPDX-License-Identifier: Apache-2.0
"""Tiny synthetic data in the layouts that the Model Zoo's bundles read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

__all__ = ["Case"]

Places = tuple[Path, Path]  # the data of the training, and those of the inference


@dataclass(frozen=True)
class Case:
    """
    What a bundle is given.

    Args:
        layout: writes the data into a folder; the bundle's copy is given too, for its lists of images.
        size: of a volume or image.
        spacing: of its voxels, the one that the bundle resamples to.
        classes: values 0 to ``classes - 1`` in the labels.
        count: of images for training and validation together.
        smaller: ids with values that make a step fit a CPU.
        dense: False where the bundle's network gives no map, and a refusal is right.
    """

    layout: Callable[[Path, Path, Case], Places]
    size: tuple[int, ...] = (96, 96, 96)
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    classes: int = 2
    count: int = 11
    smaller: dict[str, Any] = field(default_factory=dict)
    dense: bool = True


def blocks(size: tuple[int, ...], classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of bright blocks with noise, and the class of each block; every class occurs."""
    generator = np.random.default_rng(seed)
    steps = [8 if len(size) == 3 else 16] * len(size)
    codes = np.arange(int(np.prod(steps))) % classes
    coarse = generator.permutation(codes).reshape(steps)
    for axis, (step, side) in enumerate(zip(steps, size, strict=True)):
        coarse = np.take(coarse, np.arange(side) * step // side, axis)
    image = 20 + 130 * coarse / max(classes - 1, 1) + generator.normal(0, 10, size)
    return image.astype(np.float32), coarse.astype(np.uint8)


def save(array: np.ndarray, path: Path, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
    return str(path)


def pairs(
    root: Path, bundle: Path, case: Case, names: tuple[str, ...] = ("imagesTr", "labelsTr", "imagesTs")
) -> Places:
    """``imagesTr``, ``labelsTr`` and ``imagesTs``, with Decathlon's ``dataset.json``."""
    entries = []
    for number in range(case.count):
        image, label = blocks(case.size, case.classes, number)
        file = f"case_{number:02}.nii.gz"
        save(image, root / names[0] / file, case.spacing)
        save(label, root / names[1] / file, case.spacing)
        entries.append({"image": f"./{names[0]}/{file}", "label": f"./{names[1]}/{file}"})
    if len(names) > 2:
        save(image, root / names[2] / "test_00.nii.gz", case.spacing)
    lists = {"training": entries[:-1], "validation": entries[-1:]}
    (root / "dataset.json").write_text(json.dumps(lists))
    return root, root


def pairs_apart(root: Path, bundle: Path, case: Case) -> Places:
    """The same, where the inference takes the folder of the images itself."""
    pairs(root, bundle, case)
    return root, root / "imagesTs"


def images_and_labels(root: Path, bundle: Path, case: Case) -> Places:
    """``images`` and ``labels``; the inference takes a folder of images."""
    pairs(root, bundle, case, ("images", "labels", "test"))
    return root, root / "test"


def datalist(root: Path, bundle: Path, case: Case, channels: int = 1) -> Places:
    """Decathlon's list in the bundle's own ``configs``, by whatever name its training reads it."""
    entries = []
    for number in range(case.count):
        image, label = blocks(case.size, case.classes, number)
        files = [save(image, root / f"case_{number:02}_{c}.nii.gz", case.spacing) for c in range(channels)]
        label[(label == 3) & (channels > 1)] = 4
        seg = save(label, root / f"case_{number:02}_seg.nii.gz", case.spacing)
        entries.append({"image": files if channels > 1 else files[0], "label": seg})
    last = entries[-1]
    lists = {"training": entries[:-1], "validation": [last], "testing": [{"image": last["image"]}]}
    for name in ("datalist.json", "dataset_0.json", "TS_test.json"):
        if any(name in file.read_text() for file in (bundle / "configs").glob("*.*") if file.name != name):
            (bundle / "configs" / name).write_text(json.dumps(lists))
    return root, root


def four_channels(root: Path, bundle: Path, case: Case) -> Places:
    """The same with four sequences an image, and labels 0, 1, 2 and 4."""
    return datalist(root, bundle, case, channels=4)


def table(root: Path, bundle: Path, case: Case) -> Places:
    """Lists of images in comma-separated files."""
    for part, count in (("train", case.count - 1), ("valid", 1), ("test", 1)):
        lines = ["t2,t2_anatomy_reader1"]
        for number in range(count):
            image, label = blocks(case.size, case.classes, number)
            save(image, root / f"{part}/{number}_t2.nii.gz", case.spacing)
            save(label, root / f"{part}/{number}_seg.nii.gz", case.spacing)
            lines.append(f"{part}/{number}_t2.nii.gz,{part}/{number}_seg.nii.gz")
        (root / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return root, root


def frames(root: Path, bundle: Path, case: Case) -> Places:
    """RGB frames of videos in JPEG, with masks ``*_seg.jpg``."""
    for part, count in (("train", case.count), ("val", 1), ("test", 1)):
        (root / part / "video1").mkdir(parents=True)
        for number in range(count):
            image, label = blocks(case.size, case.classes, number)
            file = root / part / "video1" / f"frame{number}.jpg"
            Image.fromarray(np.stack([image.clip(0, 255).astype(np.uint8)] * 3, -1)).save(file)
            Image.fromarray(255 * label).save(file.with_name(f"{file.stem}_seg.jpg"))
    return root, root


def numbered(root: Path, bundle: Path, case: Case) -> Places:
    """``img##.nii.gz`` and ``lbl##.nii.gz`` in one folder."""
    for number in range(case.count):
        image, label = blocks(case.size, case.classes, number)
        save(image, root / f"img{number:02}.nii.gz")
        save(label, root / f"lbl{number:02}.nii.gz")
    save(image, root / "test" / "img00.nii.gz")
    save(label, root / "test" / "lbl00.nii.gz")
    return root, root / "test"


def slices(root: Path, bundle: Path, case: Case) -> Places:
    """All slices in one NumPy archive; the inference reads volumes."""
    root.mkdir(parents=True)
    made = [blocks(case.size, case.classes, number) for number in range(case.count)]
    images, labels = (np.stack(arrays) for arrays in zip(*made, strict=True))
    np.savez(root / "allimages3label.npz", images=images, segs=labels)
    save(np.moveaxis(images[:2], 0, -1), root / "test" / "heart.nii.gz")
    return root, root / "test"


def phases(root: Path, bundle: Path, case: Case) -> Places:
    """A folder a patient with three phases and their label."""
    for number in range(case.count):
        image, label = blocks(case.size, case.classes, number)
        for name in ("12", "22-", "32-"):
            save(image, root / f"patient{number}" / f"{name}.nii.gz", case.spacing)
        save(label, root / f"patient{number}" / "merged.nii.gz", case.spacing)
    return root, root


def nuclei(root: Path, bundle: Path, case: Case) -> Places:
    """Patches and maps of nuclei as NumPy arrays; the inference reads images."""
    for part in ("Train", "Test"):
        (root / part / "Images").mkdir(parents=True)
        for number in range(case.count):
            image, label = blocks(case.size, case.classes, number)
            rgb = np.stack([image] * 3, -1).clip(0, 255)
            np.save(root / part / f"{number}_image.npy", rgb.astype(np.float32))
            np.save(root / part / f"{number}_inst_map.npy", label[..., None].astype(np.int32))
            np.save(root / part / f"{number}_type_map.npy", label[..., None].astype(np.int32))
    Image.fromarray(rgb.astype(np.uint8)).save(root / "Test" / "Images" / "test_1.png")
    return root, root / "Test" / "Images"


def clicks(root: Path, bundle: Path, case: Case) -> Places:
    """Patches with the value of one nucleus each in ``dataset.json``, and centres for the inference."""
    entries = []
    for number in range(case.count):
        image, label = blocks(case.size, case.classes, number)
        paths = [root / "Test" / "Images" / f"test_{number}.png", root / "Test" / "Labels" / f"test_{number}.png"]
        for path, array in zip(paths, (np.stack([image.clip(0, 255)] * 3, -1), label), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(path)
        entries.append({"image": str(paths[0]), "label": str(paths[1]), "mask_value": 1})
        (root / "Test" / "Centroids").mkdir(exist_ok=True)
        (root / "Test" / "Centroids" / f"test_{number}.txt").write_text("[[20, 20]]")
    (root / "dataset.json").write_text(json.dumps({"training": entries[:-1], "validation": entries[-1:]}))
    return root, root


def nothing(root: Path, bundle: Path, case: Case) -> Places:
    """An empty folder: for bundles that are refused before any data are read."""
    root.mkdir(parents=True, exist_ok=True)
    return root, root
