# SPDX-License-Identifier: Apache-2.0
"""
An annotator's day, by HTTP: label some images of a data set, distil, label more; Dice on images kept aside.

The masks of the data set play the annotator. The images to test with never reach the server's study. ``--figure`` draws
what the requests of that day answered.

    python tests/benchmarks/annotating.py label/app data/BrEaST --labels 50 --every 10
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import numpy as np
import requests
import typer
from annotating_figure import Answer, save
from PIL import Image
from rich.console import Console
from rich.table import Table

from monai_kd.data import choose_split, read_dataset
from monai_kd.data.image_files.reading import read_image, read_mask

PORT = 8765
URL = f"http://127.0.0.1:{PORT}"


def main(
    app: Annotated[Path, typer.Argument(help="Of 'label install'; a copy of it is used.")],
    dataset_dir: Annotated[Path, typer.Argument(help="The annotator's images, with masks.")],
    labels: Annotated[int, typer.Option(help="So many images are labelled.")] = 50,
    every: Annotated[int, typer.Option(help="Distil after so many.")] = 10,
    strategy: Annotated[str, typer.Option(help="disagreement, random or first.")] = "disagreement",
    max_epochs: Annotated[int, typer.Option(help="Of each distillation.")] = 20,
    pathway: Annotated[str, typer.Option(help="What is distilled.")] = "logits_kl",
    output: Annotated[Path | None, typer.Option(help="Write the figures here, as JSON.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw masks before and after here, as PNG.")] = None,
) -> None:
    """Print a table of Dice after each distillation, and the server's times."""
    records = {record["id"]: record for record in read_dataset(dataset_dir)}
    test = [records[key] for key in choose_split(dataset_dir)["test"]]
    rows: list[dict[str, Any]] = []
    labelled: dict[str, Answer] = {}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _server(app, Path(folder), records, test) as start,
    ):
        before = _answers(test)
        rows.append({"labels": 0, "start_seconds": start, **_scores(*before)})
        _score(strategy)
        for number in range(1, labels + 1):
            key = requests.post(f"{URL}/activelearning/{strategy}", json={}, timeout=60).json()["id"]
            labelled[key] = _answer(records[key])[0]
            _label(records[key])
            if number % every == 0 or number == labels:
                options = {"max_epochs": max_epochs, "pathway": pathway}
                trained = requests.post(f"{URL}/train/student?run_sync=true", json=options, timeout=3600)
                trained.raise_for_status()
                after = _answers(test)
                rows.append({"labels": number, **trained.json(), **_scores(*after)})
                _score(strategy)
            print(f"{number} of {labels} labelled", file=sys.stderr)
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if figure:
        save(labelled, before[0], after[0], figure)
    _show(rows, len(test))


@contextmanager
def _server(app: Path, folder: Path, records: dict[str, Any], test: list[Any]) -> Any:
    aside = {record["id"] for record in test}
    shutil.copytree(app, folder / "app", ignore=shutil.ignore_patterns("runs", "tmp", "logs", "sessions"))
    (folder / "images").mkdir()
    for key, record in records.items():
        if key not in aside:
            shutil.copy(record["image"], folder / "images")
    command = [sys.executable, "-m", "monai_kd", "label", "start", str(folder / "app"), "--port", str(PORT)]
    begin = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        arguments = [*command, "--studies", str(folder / "images")]
        process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        try:
            while not _is_up():
                if process.poll() is not None:
                    raise RuntimeError((folder / "log.txt").read_text()[-2000:])
                time.sleep(0.1)
            yield time.monotonic() - begin
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with what it scores in
            process.wait()


def _is_up() -> bool:
    try:
        return requests.get(f"{URL}/info/", timeout=60).ok
    except requests.ConnectionError:
        return False


def _score(strategy: str) -> None:
    """Wait until every image has a score; the server may be scoring already, by itself."""
    while strategy == "disagreement":
        answer = requests.post(f"{URL}/scoring/disagreement?run_sync=true", timeout=3600)
        if answer.status_code != 429:
            answer.raise_for_status()
            return
        time.sleep(0.2)


def _label(record: Any) -> None:
    masks = record["label"] if isinstance(record["label"], list) else [record["label"]]
    with Path(masks[0]).open("rb") as file:
        sent = {"label": (Path(masks[0]).name, file)}
        answer = requests.put(f"{URL}/datastore/label?image={Path(record['image']).stem}", files=sent, timeout=60)
    answer.raise_for_status()


def _answer(record: Any) -> tuple[Answer, float]:
    """The image's mask by the student in service, and the seconds until it came."""
    begin = time.monotonic()
    with Path(record["image"]).open("rb") as file:
        sent = {"file": (Path(record["image"]).name, file)}
        answer = requests.post(f"{URL}/infer/student?output=image", files=sent, timeout=60)
    seconds = time.monotonic() - begin
    answer.raise_for_status()
    mask = np.asarray(Image.open(io.BytesIO(answer.content)))
    image, label = read_image(record["image"]), read_mask(record["label"])
    return Answer(image[0].numpy().T, label[0].numpy().T, mask), seconds


def _answers(test: list[Any]) -> tuple[dict[str, Answer], list[float]]:
    """The masks of the images kept aside by their ids, and the seconds of each."""
    given = {record["id"]: _answer(record) for record in test}
    return {key: answer for key, (answer, _) in given.items()}, [seconds for _, seconds in given.values()]


def _scores(answers: dict[str, Answer], times: list[float]) -> dict[str, float]:
    dice = fmean(answer.dice for answer in answers.values())
    return {"dice": dice, "first_answer_ms": 1000 * times[0], "answer_ms": 1000 * median(times[1:])}


def _show(rows: list[dict[str, Any]], count: int) -> None:
    table = Table(title=f"Dice on {count} images kept aside")
    columns = ("labels", "dice", "before", "best_metric", "published", "total_time", "answer_ms")
    for column in columns:
        table.add_column(column)
    for row in rows:
        cells = (row.get(column, "–") for column in columns)
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
