# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run, small; what they measure is nobody's promise."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ignite.engine import Events

from monai_kd import DistillationTrainer
from monai_kd.losses import LogitsKLLoss

HERE = Path(__file__).parent / "benchmarks"
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
sys.path.insert(0, str(HERE))

import page_tables  # noqa: E402
from pairs import PAIRS  # noqa: E402
from peers import available  # noqa: E402
from steps import logits, of_trainer, task  # noqa: E402
from study_workers import schedule  # noqa: E402

from tests.student_bundle.zoo_bundles import make_ct_bundle  # noqa: E402

ONCE = ("--rounds", "1", "--threads", "1")
STEP = (*ONCE, "--batch", "2", "--side", "64")
TINY = ("--images", "12", "--labels", "3", "--side", "64", "--batch", "2", "--epochs", "2", "--steps", "2")
SMALL = {
    "time_to_dice": (*TINY, "--teacher-epochs", "1", "--seeds", "0", "--threads", "1", "--only", "hand"),
    "distillation_step": STEP,
    "cached_teacher": STEP,
    "step_levers": (*STEP, "--only", "bfloat16", "seeds"),
    "epoch": (*ONCE, "--images", "6", "--side", "64"),
    "views": STEP,
    "hooks": STEP,
    "inference": (*STEP, "--only", "students", "others"),
    "scaling": (*ONCE, "--batch", "4", "--side", "64", "--axes", "images", "pathways"),
    "processes": ("--rounds", "1", "--repeats", "1", "--batch", "2", "--side", "64"),
    "volumes": ("--rounds", "1", "--threads", "1", "--side", "48", "--roi", "40"),
    "large_data": ("--images", "40", "--read", "4"),
    "growth": ("--images", "20", "40", "--indexed", "50"),
}
# Minutes at their smallest. The study is run whole by tests/study, imports are the architecture's test.
LONG = {"study_workers", "startup"}


def scripts():
    return {Path(command.split()[0]).stem for command in page_tables.commands(PAGE)}


def test_every_command_of_the_page_is_tested():
    assert scripts() == {*SMALL, *LONG}


@pytest.mark.parametrize("script", SMALL)
def test_a_benchmark_prints_a_table(script, tmp_path):
    figure = ["--figure", str(tmp_path / "growth.png")] if script == "scaling" else []
    run = subprocess.run(
        [sys.executable, HERE / f"{script}.py", *SMALL[script], *figure],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    rows = [line for line in run.stdout.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert len({row.count("|") for row in rows}) == 1
    assert "nan" not in run.stdout
    assert bool(figure) == any(tmp_path.glob("*.png"))


def test_a_page_gets_what_its_command_prints(tmp_path):
    path = tmp_path / "page.md"
    place = "```console\n$ python {}\n```\n{}<!-- end -->\n"
    path.write_text("before\n" + place.format("a.py --b 1", "old\n") + place.format("c.py", ""))
    page_tables.put(path, "a.py --b 1", "| new |\n")
    text = path.read_text()
    assert page_tables.commands(path) == ["a.py --b 1", "c.py"]
    assert "| new |" in text and "old" not in text and text.startswith("before")
    assert text.endswith(place.format("c.py", ""))


def test_the_model_of_a_study_waits_for_teachers():
    assert schedule(workers=1, splits=2, rows=3, run=1.0) == 6
    assert schedule(workers=2, splits=2, rows=3, run=1.0) == 3
    assert schedule(workers=4, splits=1, rows=4, run=1.0) == 2  # the teacher, then its three students
    assert schedule(workers=100, splits=3, rows=9, run=1.0) == 2


def test_all_candidates_compute_the_same():
    pair, image = PAIRS["tiny"], torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    batch, teacher = {"image": image, "label": (image > 0.5).float()}, pair.teacher()
    losses = []
    trainer = DistillationTrainer(teacher=teacher, **of_trainer(pair, batch, logits(pair)))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output[0]["loss"]))
    trainer.run()
    for make in available().values():
        torch.manual_seed(0)
        step = make(pair.student(), copy.deepcopy(teacher), lambda: batch, task(), LogitsKLLoss())
        assert [step().item() for _ in range(3)] == pytest.approx(losses[:3], rel=1e-5)


def test_killed_trainings_resume_to_the_bit():
    run = subprocess.run(
        [sys.executable, HERE / "killed_trainings.py", "--kills", "1", "--epochs", "2"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert run.stdout.splitlines()[-1].startswith("1 of 1 killed trainings ended to the bit")


def test_a_zoo_of_one_bundle(tmp_path):
    make_ct_bundle(tmp_path / "zoo" / "mine", size=48)
    words = [sys.executable, HERE / "zoo.py", "--zoo", tmp_path / "zoo", "--only", "mine"]
    words += ["--results", tmp_path / "rows.jsonl"]
    for _ in range(2):  # the second time there is nothing left to run
        run = subprocess.run(
            [*words, "--results", tmp_path / "rows.jsonl"], check=False, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        row = next(line for line in run.stdout.splitlines() if line.startswith("| mine"))
        assert row.split(" | ")[1:] == ["ok"] * 6 + ["ok |"], run.stdout
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1


def test_hostile_checkpoints_are_refused():
    command = [sys.executable, HERE / "hostile_checkpoints.py"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    refused, of = re.match(r"(\d+) of (\d+) kinds", run.stdout.splitlines()[-1]).groups()
    assert refused == of and int(of) >= 60
