# SPDX-License-Identifier: Apache-2.0
"""A study's YAML file with something wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.attempt import Attempt

GROUP = "studies"
BUNDLE = Path(__file__).parents[2] / "bundles" / "breast_ultrasound_segmentation"
GOOD = f"""\
name: A study
bundle: {BUNDLE}
teacher: Teacher
student: Student
splits: 2
seeds: [0]
settings: {{max_epochs: 1}}
rows:
  Teacher: {{train: [train_teacher], evaluate: [evaluate, teacher]}}
  Student: {{train: [train_student], evaluate: [evaluate]}}
  Logits: {{train: [train, methods/logits_kl], evaluate: [evaluate]}}
"""
SPLIT = {"training": ["1"], "validation": ["2"], "test": ["3"]}
CHANGES = {
    "no file": (None, "", "study.yaml"),
    "an empty file": (GOOD, "", "study.yaml"),
    "no YAML": ("splits: 2", "splits: [2", "study.yaml"),
    "an unknown entry": ("splits: 2", "split: 2", "splits"),
    "no rows": ("rows:", "row:", "rows"),
    "no bundle": (f"bundle: {BUNDLE}\n", "", "bundle"),
    "a bundle that is not there": (str(BUNDLE), "nowhere", "nowhere"),
    "splits that are a text": ("splits: 2", "splits: two", "splits"),
    "no split at all": ("splits: 2", "splits: -1", "splits"),
    "a seed that is not whole": ("seeds: [0]", "seeds: [0.5]", "seeds"),
    "a seed twice": ("seeds: [0]", "seeds: [1, 1]", "seeds"),
    "seeds that are a number": ("seeds: [0]", "seeds: 3", "seeds"),
    "settings that are a list": ("{max_epochs: 1}", "[max_epochs]", "settings"),
    "a setting that no config has": ("max_epochs: 1", "max_epoch: 1", "max_epochs"),
    "a teacher that is no row": ("teacher: Teacher", "teacher: Techer", "Techer"),
    "a student that is no row": ("student: Student", "student: Studnt", "Studnt"),
    "a row without a training": ("train: [train_student], ", "", "Student"),
    "a row with an unknown entry": ("train: [train_student]", "trains: [train_student]", "train"),
    "a config that the bundle lacks": ("train_student", "train_studnt", "train_studnt"),
    "an overlay that the bundle lacks": ("methods/logits_kl", "methods/logits_lk", "logits_lk"),
    "a row's name that is no folder's": ("  Logits:", "  ../Logits:", "Logits"),
    "a key twice": ("splits: 2", "splits: 2\nsplits: 3", "splits"),
    "a row twice": ("  Logits:", "  Student:", "Student"),
    "an output_dir in a row": (
        "methods/logits_kl], evaluate: [evaluate]",
        "methods/logits_kl], evaluate: [evaluate], arguments: {output_dir: elsewhere}",
        "output_dir",
    ),
    "an argument that no config has": (
        "methods/logits_kl], evaluate: [evaluate]",
        "methods/logits_kl], evaluate: [evaluate], arguments: {learning_rat: 0.1}",
        "learning_rat",
    ),
    "rows of a study that is not there": ("rows:", "rows_of: other.yaml\nrows:", "other.yaml"),
}


def _plan(former: str | None, text: str) -> Callable[[Path], Callable[[], object]]:
    """What ``study run`` does before it trains anything."""

    def prepare(folder: Path) -> Callable[[], object]:
        from monai_kd.study import read_plan
        from monai_kd.study.running.runs import list_runs

        if former is not None:
            (folder / "study.yaml").write_text(GOOD.replace(former, text, 1))
        return lambda: list_runs(read_plan("study.yaml"), [SPLIT], Path("data"), Path("out"))

    return prepare


def attempts() -> Iterator[Attempt]:
    """Every change of a sound study."""
    for name, (former, text, word) in CHANGES.items():
        yield Attempt(GROUP, name, _plan(former, text), (word,))
