# SPDX-License-Identifier: Apache-2.0
"""The splits of a study: made or read once, kept in its folder, and the same ever after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_kd.data import Record, Split, check_dataset, random_splits, read_dataset, read_splits, write_splits
from monai_kd.data.layouts import layout_names
from monai_kd.data.records.several_folders import Folders
from monai_kd.data.splits.groups import groups_of, shuffled
from monai_kd.study.running.plan import Plan
from monai_kd.utils.json_files import read_json

__all__ = ["study_splits"]

SEED = 0  # of the splits: the study's own seeds are those of training


def study_splits(
    plan: Plan, dataset_dir: Folders, output_dir: Path, layout: str | None = None, split_file: Path | None = None
) -> list[Split]:
    """
    The ids of each part of each split, from ``splits.json`` in the study's folder, which the first start writes.

    Args:
        plan: the study.
        dataset_dir: the data set's folder, or a list of several.
        output_dir: the study's folder.
        layout: of the data set; None looks at the folder.
        split_file: a file of ``python -m monai_kd data split``; None makes random splits.

    Raises:
        FileNotFoundError: When data or split file are missing.
        ValueError: When the data set has too few images, an image is unusable, the file is of other data, or the
            folder holds a study of other splits.
    """
    if split_file is not None and plan.images is not None:
        raise ValueError("A split file lists its images: give either --split_file or --images ('images' in the study).")
    records = read_dataset(dataset_dir, layout)
    kept = output_dir / "splits.json"
    protocol = f"split file {split_file.name}" if split_file else "random"
    protocol += "" if plan.images is None else f", {plan.images} images drawn once"
    if kept.is_file():
        former = read_json(kept)
        if former["protocol"] != protocol:
            raise ValueError(
                f"'{kept}' was made by '{former['protocol']}', this study asks for '{protocol}'. Choose another "
                "--output_dir."
            )
        splits = read_splits(kept, records if plan.images is None else _listed(records, former["splits"][0]))
        if split_file is not None and read_splits(split_file, records)[: plan.splits] != splits[: plan.splits]:
            raise ValueError(
                f"'{split_file}' differs from '{kept}', with which this study began. Choose another --output_dir."
            )
        if len(splits) >= plan.splits:
            return splits[: plan.splits]
    content = check_dataset(records, near_duplicates=True)
    if split_file is not None:
        splits = read_splits(split_file, records, content)
        if len(splits) < plan.splits:
            raise ValueError(
                f"'{split_file}' holds {len(splits)} splits, the study asks for {plan.splits}. Lower 'splits'."
            )
        splits = splits[: plan.splits]
    else:
        splits = random_splits(_drawn(records, plan.images, content), plan.splits, seed=SEED, content=content)
    write_splits(kept, splits, protocol, layout_names(dataset_dir, layout), SEED)
    return splits


def _drawn(records: Sequence[Record], number: int | None, content: Mapping[str, str]) -> list[Record]:
    """So many records, whole patients at a time."""
    if number is None:
        return list(records)
    if len(records) < number:
        raise ValueError(
            f"The study draws {number} images, the data set has {len(records)}. Lower or remove 'images' in its file."
        )
    drawn: list[Record] = []
    for group in shuffled(groups_of(records, content), SEED, "study"):
        if len(drawn) + len(group) <= number:
            drawn += group
    if len(drawn) < number:
        raise ValueError(
            f"Whole patients add up to {len(drawn)} images, not to the study's {number}. Set 'images' to that."
        )
    return drawn


def _listed(records: Sequence[Record], split: Split) -> list[Record]:
    """The records that were drawn."""
    ids = {key for part in split.values() for key in part}
    return [record for record in records if record["id"] in ids]
