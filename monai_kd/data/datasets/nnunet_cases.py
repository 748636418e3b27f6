# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import first_few

__all__ = ["nnunet_cases", "read_fold"]

PARTS = {"training": "train", "validation": "val"}


def nnunet_cases(
    folder: str | PathLike[str],
    ending: str,
    part: str,
    splits: str | PathLike[str] | None = None,
    fold: int = 0,
) -> list[dict[str, Any]]:
    """
    Cases of nnU-Net's raw data as MONAI takes them.

    Args:
        folder: ``nnUNet_raw/DatasetXXX_NAME``. For "inference" also any folder of files ``<case>_0000…``; of a whole
            data set ``imagesTs`` is taken, or ``imagesTr`` if that is missing or empty.
        ending: of the files, as ``dataset.json`` tells.
        part: "training", "validation" or "inference".
        splits: nnU-Net's ``splits_final.json``, for training and validation.
        fold: one of the splits, from 0.

    Returns:
        For each case "case" and "id", its name; "image", the file, or the files of several channels; and "label", but
        for inference.

    Raises:
        FileNotFoundError: When there is no such folder.
        ValueError: When the splits have no such fold, a case is in training and validation, an image, a label or a
            channel is missing, or there is no image for inference, or one without its channel's number.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for channel in range(2):
        ...         Path(folder, f"liver_1_000{channel}.nii.gz").touch()
        ...     (case,) = nnunet_cases(folder, ".nii.gz", "inference")
        >>> case["case"], [Path(file).name for file in case["image"]]
        ('liver_1', ['liver_1_0000.nii.gz', 'liver_1_0001.nii.gz'])
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"No data in '{root}': there is no such folder. Correct the path.")
    if part == "inference":
        return [{"id": case, "case": case, "image": files} for case, files in _for_inference(root, ending).items()]
    names, images = read_fold(splits, fold)[PARTS[part]], _images(root / "imagesTr", ending)
    labels = {case: root / "labelsTr" / f"{case}{ending}" for case in names}
    for what, absent in (
        ("image in imagesTr", [case for case in names if case not in images]),
        ("label in labelsTr", [case for case, file in labels.items() if not file.is_file()]),
    ):
        if absent:
            raise ValueError(
                f"{len(absent)} of the {len(names)} cases for {part} have no {what} of '{root}' with the ending "
                f"{ending}: {first_few(absent)}. Name the folder that nnU-Net was trained from: "
                "nnUNet_raw/DatasetXXX_NAME."
            )
    return [{"id": case, "case": case, "image": images[case], "label": str(labels[case])} for case in names]


def _for_inference(root: Path, ending: str) -> dict[str, Any]:
    """The images of a data set's test part, or of any folder."""
    parts = (root / name for name in ("imagesTs", "imagesTr"))
    chosen = next((part for part in parts if part.is_dir() and any(part.iterdir())), root)
    found = _images(chosen, ending)
    if not found:
        there = first_few(sorted(file.name for file in chosen.iterdir())) or "no file"
        raise ValueError(
            f"No image in '{chosen}' is named <case>_0000{ending}, as nnU-Net's are; there is {there}. Add the "
            "channel's number to the names, or name another folder."
        )
    taken = {Path(file).name for files in found.values() for file in ensure_tuple(files)}
    others = [file.name for file in sorted(chosen.iterdir()) if file.name.endswith(ending) and file.name not in taken]
    if others:
        raise ValueError(
            f"{len(others)} files of '{chosen}' have no channel's number, as in <case>_0000{ending}, and would be left "
            f"out: {first_few(others)}. Rename them, or move them elsewhere."
        )
    return found


def _images(folder: Path, ending: str) -> dict[str, Any]:
    """Each case's file, or its files where there are several."""
    pattern = re.compile(rf"(.+)_\d{{4}}{re.escape(ending)}")
    found: dict[str, list[str]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        matched = pattern.fullmatch(file.name)
        if matched:
            found.setdefault(matched[1], []).append(str(file))
    most = max(map(len, found.values()), default=0)
    fewer = [f"{case} ({len(files)} of {most})" for case, files in found.items() if len(files) < most]
    if fewer:
        raise ValueError(
            f"{len(fewer)} of the {len(found)} cases in '{folder}' have fewer channels than others: "
            f"{first_few(fewer)}. Add the files that are missing."
        )
    return {case: files[0] if len(files) == 1 else files for case, files in found.items()}


def read_fold(splits: str | PathLike[str] | None, fold: int) -> dict[str, list[str]]:
    """
    The cases of one fold by "train" and "val".

    Args:
        splits: nnU-Net's ``splits_final.json``.
        fold: its place there, from 0.

    Raises:
        ValueError: When there is no such fold, or a case is in both parts.
    """
    if splits is None:
        raise ValueError("Training and validation need nnU-Net's splits_final.json. Give its path as splits.")
    folds = read_json(splits, "Copy it again from nnUNet_preprocessed/DatasetXXX_NAME.")
    if not isinstance(folds, list) or not all(isinstance(one, dict) and {"train", "val"} <= set(one) for one in folds):
        raise ValueError(f"'{splits}' is no list of folds with 'train' and 'val'. Give nnU-Net's splits_final.json.")
    if not isinstance(fold, int) or not 0 <= fold < len(folds):
        raise ValueError(
            f"'{splits}' has {len(folds)} folds, and fold {fold} is asked for. Give 0 to {len(folds) - 1}."
        )
    both = sorted(set(folds[fold]["train"]) & set(folds[fold]["val"]))
    if both:
        raise ValueError(
            f"Fold {fold} of '{splits}' has {len(both)} cases in both 'train' and 'val': {first_few(both)}. A score on "
            "them would mean nothing. Take each out of one."
        )
    return {part: [str(case) for case in folds[fold][part]] for part in ("train", "val")}
