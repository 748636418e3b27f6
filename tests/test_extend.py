# SPDX-License-Identifier: Apache-2.0
"""docs/extend.md in a copy of the repository: a part is its file, its line and its test, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import FILE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text()
LINE = re.compile(r"in `([\w/]+\.py)`:\n\n```diff\n\+(from .*\n)```", re.M)
FILES, LINES = dict(FILE.findall(PAGE)), dict(LINE.findall(PAGE))
NAMES = ("CosineLoss", "SharpnessHandler", "PlainStudent", "Scans")
# Whatever asks something of each loss, handler, network, layout and overlay.
DEMANDING = (
    "tests/losses/test_catalogue.py",
    "tests/bundles/test_configs_source.py",
    "tests/data/layouts/test_layouts.py",
    "tests/test_architecture.py",
    "tests/test_public_names.py",
)
# They start Python to import the package as it is: seconds, and nothing about a part.
OF_THE_PACKAGE = "not at_import and not when_they_are_asked_for"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with all parts of the page added."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("monai_kd", "tests", "docs", "bundles"):
        unneeded = shutil.ignore_patterns("__pycache__", "runs", "_build", "images", "*.pt", "*.onnx")
        shutil.copytree(ROOT / name, folder / name, ignore=unneeded)
    for name in ("conftest.py", "pyproject.toml", "setup.py", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    for name, text in FILES.items():
        if name not in LINES:
            assert not (folder / name).exists(), f"{name} is a part of the package: take another example"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    for name, line in LINES.items():
        text = (folder / name).read_text()
        first = re.search(r"^from monai_kd\.", text, re.M).start()
        (folder / name).write_text(text[:first] + line + text[first:])
    return folder


def run(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_page_has_a_file_a_line_and_a_test_of_each_kind():
    assert set(LINES) == {
        "monai_kd/losses/__init__.py",
        "monai_kd/handlers/__init__.py",
        "monai_kd/networks/__init__.py",
        "monai_kd/data/image_files/formats.py",
        "monai_kd/data/layouts/__init__.py",
    }
    parts = set(FILES) - set(LINES)
    assert sum(name.startswith("tests/") for name in parts) == 6  # the overlay of pathways has one already
    assert sum(name.startswith("monai_kd/") for name in parts) == 5
    assert sum(name.startswith("bundles/") for name in parts) == 2


def test_the_pages_tests_pass_and_so_do_those_that_look_at_every_part(copy):
    done = run(copy, "tests/benchmarks/catalogue.py", "docs/methods.md")
    assert done.returncode == 0, done.stderr
    tests = [name for name in FILES if name.startswith("tests/")]
    done = run(copy, "-m", "pytest", "-q", "-p", "no:xdist", *tests, *DEMANDING, "-k", OF_THE_PACKAGE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "`cosine`" in (copy / "docs" / "methods.md").read_text()


def test_docstrings_and_the_overlay_are_as_all_others(copy):
    chosen = " or ".join((*NAMES, "test_every_method_trains and cosine"))
    tests = ("tests/test_docstrings.py", "tests/bundles/test_breast_ultrasound.py")
    done = run(copy, "-m", "pytest", "-q", "-p", "no:xdist", *tests, "-k", chosen)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_loss_is_in_the_help_and_the_catalogue(copy):
    code = "import monai_kd.losses as losses; help(losses); print(losses.CosineLoss.__module__)"
    done = run(copy, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "``CosineLoss``" in done.stdout and "directions of the feature vectors" in done.stdout
    assert done.stdout.strip().endswith("monai_kd.losses.features.cosine")


def test_type_checkers_and_linters_accept_the_lines(copy):
    done = run(copy, "-m", "ruff", "check", "--select", "E,F,W", *LINES)
    assert done.returncode == 0, done.stdout
