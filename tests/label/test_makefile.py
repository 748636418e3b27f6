# SPDX-License-Identifier: Apache-2.0
"""`make label`: its trainings take the arguments that they are given."""

import re
import shlex
import shutil
import subprocess

import pytest

from monai_kd.bundle.command_line import read_command
from monai_kd.commands.run.run import _check
from tests.label.conftest import ROOT


def test_the_trainings_of_make_label_would_start(monkeypatch):
    if shutil.which("make") is None:
        pytest.skip("make")
    monkeypatch.chdir(ROOT)
    command = ["make", "--dry-run", "--always-make", "label/app"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    runs = re.findall(r"monai_kd run (.*)", told.replace("\\\n", " "))
    made = [shlex.split(line) for line in runs]
    assert [words[0] for words in made] == ["train_teacher", "train"]
    for config, *words in made:
        bundle = words[words.index("--bundle") + 1]
        _check(read_command(config, bundle, (), [word for word in words if word not in ("--bundle", bundle)]))
