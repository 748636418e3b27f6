# SPDX-License-Identifier: Apache-2.0
"""
Trainings of the segmentation bundle that are killed at random moments and resumed: each must end to the bit as one
that nobody killed.

    python tests/benchmarks/killed_trainings.py [--kills 12] [--epochs 5] [--seed 0]

A training is ``configs/train.json`` on twelve phantoms. SIGKILL comes at a moment between its first step and its end,
while it trains, validates or writes. Compared are all of ``last.pt`` (weights, optimizer, schedule, best score) and
``model.pt``. Ends with status 1 if one differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from ignite.engine import Events
from monai.bundle import ConfigParser, ConfigWorkflow

from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import ROOT, TINY
from tests.helpers import assert_identical

IMAGES = 12
POLL = 0.002  # seconds


def start(folder: Path, epochs: int) -> int:
    """The id of a process that trains; it is forked, so that the slow imports are done once."""
    process = os.fork()
    if process:
        return process
    torch.set_num_threads(1)  # or torch makes its pool anew in the first threads of the fork, which may do so at once
    sys.stdout = sys.stderr = (folder.parent / "log.txt").open("a")
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    try:
        train(folder, epochs)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def train(folder: Path, epochs: int) -> None:
    """What ``python -m monai.bundle run`` does with the bundle's training."""
    home, run = folder.parent, folder / "run"
    places = {"dataset_dir": home / "phantoms", "output_dir": run, "checkpoint": folder / "model.pt"}
    workflow = ConfigWorkflow(
        config_file=str(ROOT / "configs" / "train.json"),
        workflow_type="train",
        logging_file=False,
        bundle_root=str(ROOT),
        teacher_checkpoint=str(home / "teacher.pt"),
        **{name: str(path) for name, path in places.items()},
        **{**TINY, "max_epochs": epochs},
    )
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: (run / "begun").touch())
    workflow.run()
    workflow.finalize()


def ended(process: int) -> int | None:
    """The status of a process, or None while it lives."""
    done, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def timed(folder: Path, epochs: int, until: float = float("inf")) -> tuple[int, float]:
    """Train, until SIGKILL so many seconds after the first step; the status, and seconds from there to the end."""
    folder.mkdir(exist_ok=True)
    process, begun = start(folder, epochs), 0.0
    while (status := ended(process)) is None:
        if not begun and (folder / "run" / "begun").is_file():
            begun = time.monotonic()
        if begun and time.monotonic() - begun > until:
            os.kill(process, signal.SIGKILL)
            until = float("inf")
        time.sleep(POLL)
    return status, time.monotonic() - begun


def result(folder: Path) -> list[object]:
    """Everything that a training leaves for later."""
    last = torch.load(folder / "run" / "last.pt", weights_only=True)
    last["settings"].pop("training images", None)
    return [last, torch.load(folder / "model.pt", weights_only=True)]


def prepare(home: Path) -> None:
    """Phantoms, and a teacher of random weights."""
    write_phantoms(home / "phantoms", count=IMAGES)
    torch.manual_seed(0)
    torch.save(ConfigParser(TINY).get_parsed_content("teacher_def").state_dict(), home / "teacher.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home)
        status, seconds = timed(home / "whole", arguments.epochs)
        assert status == 0, (home / "log.txt").read_text()
        expected, killed, exact = result(home / "whole"), 0, 0
        while killed < arguments.kills:
            run = home / f"killed-{time.monotonic_ns()}"
            status, _ = timed(run, arguments.epochs, until=chance.uniform(0, seconds))
            if status != -signal.SIGKILL:  # it was faster
                continue
            killed += 1
            former = run / "run" / "last.pt"
            done = torch.load(former, weights_only=True)["epoch"] if former.is_file() else 0
            status, _ = timed(run, arguments.epochs)
            left = [path.name for path in run.rglob(".partial-*")]
            assert status == 0 and not left, f"status {status}, left {left}: {(home / 'log.txt').read_text()[-12000:]}"
            try:
                assert_identical(result(run), expected)
                exact += 1
                print(f"kill {killed}: after epoch {done}, resumed to the bit", flush=True)
            except AssertionError as error:
                print(f"kill {killed}: after epoch {done}, another result: {error}", flush=True)
    print(f"{exact} of {killed} killed trainings ended to the bit as the one that nobody killed.")
    raise SystemExit(exact < killed)


if __name__ == "__main__":
    main()
