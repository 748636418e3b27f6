# SPDX-License-Identifier: Apache-2.0
"""A data set's inspection: all that a user should know before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_kd.data.duplicates import NearDuplicate, find_near_duplicates, join_near_duplicates
from monai_kd.data.inspection.dataset_problems import exact_duplicates, set_problems
from monai_kd.data.inspection.facts import Facts, inspect_record
from monai_kd.data.inspection.image_problems import image_problems
from monai_kd.data.inspection.problem_kinds import KINDS, Problem
from monai_kd.data.inspection.read_folder import Reading, read_folder
from monai_kd.data.inspection.summary import mask_files, summarize
from monai_kd.data.records.record import Layout, Record
from monai_kd.data.splits.split_files import read_splits

TABLE, TAKES_TABLE = "patients.csv", ("plain", "nnunet", "monailabel")


@dataclass(frozen=True)
class Inspection:
    """
    The result of ``inspect_dataset``.

    Args:
        root: the folder that was given.
        layout: the layout's name; empty if none was recognized.
        folder: where the data set begins; empty if no layout was recognized.
        because: the files by which the layout was recognized.
        lacking: for every other layout, what the folder lacks.
        remarks: notes of the reader, such as the images that it left out.
        facts: about every image, in order of id.
        duplicates: ids of images with identical pixels.
        near_duplicates: pairs of ids from different patients that show the same picture, and their correlation.
        problems: the most serious first.
    """

    root: str
    layout: str = ""
    folder: str = ""
    because: str = ""
    lacking: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    duplicates: list[tuple[str, ...]] = field(default_factory=list)
    near_duplicates: list[NearDuplicate] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_trainable(self) -> bool:
        """Whether no problem prevents training."""
        return not any(problem.prevents_training for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Everything except the facts about single images, ready for JSON."""
        return {
            "root": self.root,
            "layout": self.layout,
            "folder": self.folder,
            "because": self.because,
            "lacking": self.lacking,
            "is_trainable": self.is_trainable,
            "remarks": self.remarks,
            **summarize(self.facts),
            "duplicates": [list(ids) for ids in self.duplicates],
            "near_duplicates": [list(pair) for pair in self.near_duplicates],
            "problems": [
                {
                    "kind": problem.kind,
                    "prevents_training": problem.prevents_training,
                    "ids": list(problem.ids),
                    "message": problem.message,
                    "consequence": problem.consequence,
                }
                for problem in self.problems
            ],
        }


def inspect_dataset(
    root: str | Path,
    layout: str | Layout | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 2,
    split_file: str | Path | None = None,
) -> Inspection:
    """
    Load every image and mask of a data set and list all problems; none of them stops the inspection.

    Args:
        root: the data set's folder, or a folder up to two levels above it.
        layout: as in ``read_dataset``. Defaults to None: recognize it from the folder.
        progress: called with the numbers of finished and of all images.
        workers: number of threads that load images.
        split_file: a split file to check against the images.

    Raises:
        FileNotFoundError: When ``root`` does not exist.

    Example:
        >>> from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("images", "labels"):
        ...         Path(folder, name).mkdir()
        ...         Image.linear_gradient("L").save(Path(folder, name, "1.png"))
        ...     found = inspect_dataset(folder)
        >>> found.layout, found.is_trainable, [problem.kind for problem in found.problems]
        ('plain', False, ['unusable mask'])
    """
    reading = read_folder(root, layout)
    facts = _look_at_all(reading.records, progress, workers)
    content = _content(facts)
    thumbnails = {item.id: item.image.thumbnail for item in facts if item.image}
    near = find_near_duplicates(reading.records, content, thumbnails)
    duplicates = exact_duplicates(facts)
    problems = [
        *(Problem("layout", (), message) for message in reading.problems),
        *_split_file_problems(split_file, reading.records, join_near_duplicates(content, near)),
        *(problem for item in facts for problem in image_problems(item)),
        *set_problems(facts, duplicates, near),
    ]
    return Inspection(
        root=str(root),
        **_from(reading),
        remarks=_remarks(reading, facts),
        facts=facts,
        duplicates=duplicates,
        near_duplicates=near,
        problems=sorted(problems, key=lambda problem: list(KINDS).index(problem.kind)),
    )


def _look_at_all(records: Sequence[Record], progress: Callable[[int, int], None] | None, workers: int) -> list[Facts]:
    facts: list[Facts] = []
    with ThreadPoolExecutor(workers) as pool:
        for item in pool.map(inspect_record, records):
            facts.append(item)
            if progress is not None:
                progress(len(facts), len(records))
    return facts


def _content(facts: Sequence[Facts]) -> dict[str, str]:
    return {item.id: item.image.content if item.image else f"unreadable {item.id}" for item in facts}


def _split_file_problems(path: str | Path | None, records: Sequence[Record], content: dict[str, str]) -> list[Problem]:
    if path is None or not records:
        return []
    try:
        read_splits(path, records, content)
    except (ValueError, FileNotFoundError) as error:
        return [Problem("split file", (), str(error))]
    return []


def _from(reading: Reading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in ("layout", "folder", "because", "lacking")}


def _remarks(reading: Reading, facts: Sequence[Facts]) -> list[str]:
    remarks, joined = list(reading.remarks), sum(len(mask_files(item)) > 1 for item in facts)
    if joined:
        remarks.append(f"{joined} images have several masks, which are joined.")
    has_table = Path(reading.folder, TABLE).is_file()
    patients = {item.record["patient"] for item in facts}
    if reading.layout in TAKES_TABLE and not has_table and 1 < len(patients) == len(facts):
        remarks.append(f"Each image counts as a patient of its own. If patients have several images, write {TABLE}.")
    return remarks
