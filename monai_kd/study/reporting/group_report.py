# SPDX-License-Identifier: Apache-2.0
"""Scores of every model in groups of images, and the failures of one model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monai_kd.data import Record
from monai_kd.data.records.several_folders import Folders
from monai_kd.study.reporting.failures import draw_failures, failure_table, read_answer, worst_images
from monai_kd.study.reporting.group_table import difference_table, group_scores, group_tables, long_table
from monai_kd.study.reporting.pages import Figure, write_markdown
from monai_kd.study.results.image_groups import image_groups, lesion_share
from monai_kd.study.results.scores import SEGMENTATION
from monai_kd.study.results.study_folder import StoredStudy, read_study
from monai_kd.utils.messages import first_few
from monai_kd.utils.tables import Table

__all__ = ["write_groups"]


def write_groups(
    output_dir: Path,
    dataset_dir: Folders | None = None,
    row: str | None = None,
    count: int = 6,
    against: str | None = None,
) -> tuple[list[Table], list[str]]:
    """
    Write ``groups.md``, ``groups.csv`` and ``failures.png`` into a study's folder.

    Args:
        output_dir: the study's folder.
        dataset_dir: where the images are now; None takes the folder that the study was run with.
        row: the model whose failures are shown; None takes the last row that is neither teacher nor student.
        count: number of failures, at most.
        against: the row from which differences are taken; None takes the study's student, if it has scores.

    Returns:
        The tables, and sentences that say what was written.

    Raises:
        FileNotFoundError: When the study, the data set or a mask is missing.
        ValueError: When no run has finished yet, a row does not exist, or the data set lacks test images.
    """
    study = read_study(output_dir)
    for named in filter(None, (row, against)):
        study.check_row(named)
    row, against = row or _last_method(study), against or study.plan["student"]
    measure = study.scores[row].measure
    records = _tested(study, dataset_dir)
    shares = {name: lesion_share(record) for name, record in records.items()}
    pathologies = {name: record["pathology"] for name, record in records.items()}
    datasets = {name: record["dataset"] for name, record in records.items() if "dataset" in record}
    groups = image_groups(pathologies, shares, datasets)
    found = group_scores(study.scores, groups)
    long_table(found, measure).write_csv(output_dir / "groups.csv")
    tables, figures = group_tables(found, groups, measure), list[Figure]()
    if len(study.scores) > 1 and against in study.scores:
        tables.insert(1, difference_table(study.scores, groups, against))
    facts = [f"{len(records)} test images with a score.", *_without_lesion(study)]
    failures = _failures(study, row, records, shares, count) if measure == SEGMENTATION else None
    if failures is None:
        facts.append(f"Failures are not shown: the evaluation of {row} drew no pictures (overlays).")
    else:
        tables.append(failures[0])
        figures.append(failures[1])
        facts.append(f"The failures are those of {row}.")
    write_markdown(output_dir / "groups.md", f"{study.plan['name']}: groups of images", facts, tables, figures)
    written = ["groups.md", "groups.csv", *(figure.path.name for figure in figures)]
    return tables, [*facts, f"In {output_dir}: {', '.join(written)}"]


def _last_method(study: StoredStudy) -> str:
    names, plain = list(study.scores), (study.plan["teacher"], study.plan["student"])
    return next((name for name in reversed(names) if name not in plain), names[-1])


def _tested(study: StoredStudy, dataset_dir: Folders | None) -> dict[str, Record]:
    """The records of all images for which any model has a score."""
    names = sorted({name for of_row in study.scores.values() for of_run in of_row.values.values() for name in of_run})
    records = study.records(dataset_dir)
    absent = [name for name in names if name not in records]
    if absent:
        raise ValueError(
            f"{len(absent)} of {len(names)} test images are not in '{dataset_dir or study.plan['dataset_dir']}': "
            f"{first_few(absent)}. Name the folder of the tested images: --dataset-dir FOLDER."
        )
    return {name: records[name] for name in names}


def _without_lesion(study: StoredStudy) -> list[str]:
    absent = {
        name
        for of_row in study.scores.values()
        for run, of_run in of_row.hd95.items()
        for name in of_run.keys() - of_row.values[run].keys()
    }
    told = f"{len(absent)} test images have no lesion, so they have no Dice. False positives in them are not counted."
    return [told] if absent else []


def _failures(
    study: StoredStudy, row: str, records: Mapping[str, Record], shares: Mapping[str, float], count: int
) -> tuple[Table, Figure] | None:
    images = worst_images(study.scores[row], shares, count)
    teacher = study.plan["teacher"]
    answers = {
        name: [read_answer(study.folder, name, study.scores[name], image, shares[image[0]]) for image in images]
        for name in dict.fromkeys((row, teacher))
        if name in study.scores
    }
    if any(answer is None for answer in answers[row]):
        return None
    answers = {name: of_model for name, of_model in answers.items() if any(of_model)}
    path = study.folder / "failures.png"
    draw_failures(images, records, answers, shares, path)
    note = (
        f"The test images on which {row} has the lowest Dice, the worst on the left. Below each image are the contours "
        f"of {' and '.join(answers)}: true in green, predicted in red. The title gives Dice and what went wrong."
    )
    return failure_table(images, records, answers, shares), Figure("Failures", path, note)
