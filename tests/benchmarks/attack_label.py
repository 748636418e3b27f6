# SPDX-License-Identifier: Apache-2.0
"""
Attack the Label app's server: does it refuse every hostile request, and are all files afterwards as they were?

A server of an app with tiny networks is started at 127.0.0.1, and ended; nothing else is ever asked. It stops by
itself, after all requests or when its time is over.

    python tests/benchmarks/attack_label.py
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import nibabel
import numpy as np
import requests
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from label_attacks import Attack, attacks  # noqa: E402

from monai_kd.phantom import write_phantoms  # noqa: E402
from tests.label.apps import tiny_app  # noqa: E402
from tests.label.conftest import served  # noqa: E402

START = (sys.executable, "-m", "monai_kd", "label", "start", "{app}", "--studies", "{studies}", "--port", "{port}",
         "--most-megabytes", "1")  # fmt: skip
CHANGES = {".lock", "app.log"}  # the lock and the log of the server itself


@dataclass(frozen=True)
class Outcome:
    """What became of the attacks: how many of each kind were refused, and what went wrong."""

    refused: Counter[str]
    faults: list[str]
    left: int


def prepare(folder: Path) -> tuple[Path, Path, Path]:
    """An app, a study of four images with a label, a file that nobody may read, and links to it."""
    app, images, secret = tiny_app(folder), folder / "images", folder / "secret.png"
    write_phantoms(folder / "phantoms", count=3, seed=0)
    (folder / "phantoms" / "original").rename(images)
    (images / "labels" / "final").mkdir(parents=True)
    secret.write_bytes((images / "000001.png").read_bytes())
    (images / "labels" / "final" / "000001.png").write_bytes((folder / "phantoms" / "GT" / "000001.png").read_bytes())
    values = np.random.default_rng(0).integers(0, 255, (224, 224, 1), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([0.1, 0.1, 1, 1])), images / "placed.nii.gz")
    return app, images, secret


def plant(app: Path, secret: Path) -> None:
    """What looks as if a client had sent it, in the server's folder for temporary files."""
    (app / "tmp" / "tmpplanted1.png").write_bytes(secret.read_bytes())
    (app / "tmp" / "tmplinked01.png").symlink_to(secret)
    (app / "tmp" / "tmplinked02").symlink_to(secret.parent)


def fingerprint(*folders: Path) -> dict[str, str]:
    """Name and content of every file and link."""
    found = {}
    for path in (path for folder in folders for path in [folder, *sorted(folder.rglob("*"))]):
        if path.is_symlink():
            found[str(path)] = f"link to {path.readlink()}"
        elif path.is_file() and path.name not in CHANGES:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def fire(url: str, app: Path, listed: Sequence[Attack], seconds: float) -> Outcome:
    """Send the requests, one after the other, until the time is over."""
    if urlsplit(url).hostname != "127.0.0.1":
        raise ValueError(f"{url} is not this machine.")
    refused, faults, end = Counter[str](), [], time.monotonic() + seconds
    with requests.Session() as session:
        for index, attack in enumerate(listed):
            if time.monotonic() > end:
                return Outcome(refused, faults, len(listed) - index)
            try:
                answer = session.request(attack.method, url + attack.path, timeout=60, **attack.arguments)
            except (requests.exceptions.InvalidHeader, UnicodeError):
                continue  # the client itself cannot send it
            if not 400 <= answer.status_code < 500:
                faults.append(f"{answer.status_code} {attack}: {answer.text[:300]}")
            elif str(app) in answer.text:
                faults.append(f"tells the app's folder: {attack}: {answer.text[:300]}")
            else:
                refused[attack.kind] += 1
    return Outcome(refused, faults, 0)


def leftovers(url: str, app: Path, images: Path) -> list[str]:
    """What is still wrong after the attacks: the server must serve, and its log must not name the app's folder."""
    answers = {
        "mask": requests.post(f"{url}/infer/student?image=000001", timeout=60),
        "next": requests.post(f"{url}/activelearning/random", json={}, timeout=60),
        "log": requests.get(f"{url}/logs/?lines=100000&text=true", timeout=60),
        "list": requests.get(f"{url}/datastore/?output=all", timeout=60),
    }
    faults = [f"{name}: {answer.status_code}" for name, answer in answers.items() if answer.status_code != 200]
    faults += [f"{name} tells the app's folder" for name, answer in answers.items() if str(app) in answer.text]
    notes = json.loads((images / "datastore_v2.json").read_text())["objects"]
    return faults + ([] if len(notes) == 4 else [f"the study has {len(notes)} images"])


def attack(folder: Path, seconds: float, every: int = 1) -> Outcome:
    """
    Attack a server in a folder.

    Args:
        folder: empty.
        seconds: after which no further request is sent.
        every: every so manieth request is sent.
    """
    app, images, secret = prepare(folder)
    # Scores of its own, which the server would note in the background, would look like a change by the attack.
    with served(app, images, {"MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}, command=START) as url:
        plant(app, secret)
        requests.get(f"{url}/datastore/?output=all", timeout=60)
        before = fingerprint(app, images, secret)
        outcome = fire(url, app, attacks(app, images, secret)[::every], seconds)
        after = fingerprint(app, images, secret)
        changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
        outcome.faults.extend(f"changed: {path}" for path in changed)
        outcome.faults.extend(leftovers(url, app, images))
    return outcome


def main(
    seconds: Annotated[float, typer.Option(help="No request is sent after so many.")] = 300.0,
    every: Annotated[int, typer.Option(min=1, help="Send every so manieth request.")] = 1,
) -> None:
    """Print how many hostile requests were refused; exit with 1 if one was not, or a file changed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        outcome = attack(Path(folder).resolve(), seconds, every)
    table = Table(title="Hostile requests refused by the Label app's server")
    table.add_column("by")
    table.add_column("refused", justify="right")
    for kind, count in outcome.refused.items():
        table.add_row(kind, str(count))
    table.add_row("all", str(outcome.refused.total()))
    console = Console(width=100)
    console.print(table)
    for fault in outcome.faults:
        print(fault[:600], file=sys.stderr)
    print(f"{outcome.refused.total()} refused, {len(outcome.faults)} faults, {outcome.left} not sent for lack of time")
    raise SystemExit(bool(outcome.faults))


if __name__ == "__main__":
    typer.run(main)
