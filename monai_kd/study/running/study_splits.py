# SPDX-License-Identifier: Apache-2.0
"""The splits of a study: made or read once, then kept in its folder."""

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

SEED = 0  # of the splits; the study's own seeds are for training


def study_splits(
    plan: Plan, dataset_dir: Folders, output_dir: Path, layout: str | None = None, split_file: Path | None = None
) -> list[Split]:
    """
    The ids of each part of each split, from ``splits.json`` in the study's folder; the first start writes this file.

    Raises:
        FileNotFoundError: When the data or the split file is missing.
        ValueError: When the data set has too few images, an image is unusable, the split file is for other data, or the
            folder has a study with other splits.
    """
    if split_file is not None and plan.images is not None:
        raise ValueError(
            "--split-file and --images ('images' in the study) exclude each other, because a split file lists its "
            "images. Give one of them."
        )
    records = read_dataset(dataset_dir, layout)
    kept = output_dir / "splits.json"
    protocol = f"split file {split_file.name}" if split_file else "random"
    protocol += "" if plan.images is None else f", {plan.images} images drawn once"
    if kept.is_file():
        former = read_json(kept)
        if former["protocol"] != protocol:
            raise ValueError(
                f"'{kept}' was made with the protocol '{former['protocol']}', but this study asks for '{protocol}'. "
                "Choose another --output-dir."
            )
        splits = read_splits(kept, records if plan.images is None else _listed(records, former["splits"][0]))
        if split_file is not None and read_splits(split_file, records)[: plan.splits] != splits[: plan.splits]:
            raise ValueError(
                f"'{split_file}' differs from '{kept}', with which this study started. Choose another --output-dir."
            )
        if len(splits) >= plan.splits:
            return splits[: plan.splits]
    content = check_dataset(records, near_duplicates=True)
    if split_file is not None:
        splits = read_splits(split_file, records, content)
        if len(splits) < plan.splits:
            raise ValueError(
                f"'{split_file}' has {len(splits)} splits, but the study asks for {plan.splits}. Lower 'splits' in "
                "the study's file."
            )
        splits = splits[: plan.splits]
    else:
        splits = random_splits(_drawn(records, plan.images, content), plan.splits, seed=SEED, content=content)
    write_splits(kept, splits, protocol, layout_names(dataset_dir, layout), SEED)
    return splits


def _drawn(records: Sequence[Record], number: int | None, content: Mapping[str, str]) -> list[Record]:
    """Draw ``number`` records, in whole patients."""
    if number is None:
        return list(records)
    if len(records) < number:
        raise ValueError(
            f"The study asks for {number} images, but the data set has {len(records)}. Lower or remove 'images' in "
            "the study's file."
        )
    drawn: list[Record] = []
    for group in shuffled(groups_of(records, content), SEED, "study"):
        if len(drawn) + len(group) <= number:
            drawn += group
    if len(drawn) < number:
        raise ValueError(
            f"The study asks for {number} images, but a sample of whole patients has {len(drawn)}. Set 'images' to "
            f"{len(drawn)} in the study's file."
        )
    return drawn


def _listed(records: Sequence[Record], split: Split) -> list[Record]:
    """The records that were drawn."""
    ids = {key for part in split.values() for key in part}
    return [record for record in records if record["id"] in ids]
