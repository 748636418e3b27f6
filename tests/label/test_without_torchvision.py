# SPDX-License-Identifier: Apache-2.0
"""The stub for torchvision is found only by processes that ask for it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.label.conftest import ROOT, WITHOUT_TORCHVISION


@pytest.mark.parametrize("function", ["make_grid", "save_image"])
def test_it_has_the_two_functions_and_they_say_what_they_are(function):
    code = f"from torchvision.utils import {function}; {function}(1, normalize=True)"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(WITHOUT_TORCHVISION)}, capture_output=True, text=True
    )
    assert "ImportError: torchvision is not installed" in run.stderr


def test_an_installed_monai_kd_brings_no_torchvision(tmp_path):
    """The files are in the package, but not where Python would import them as torchvision."""
    pytest.importorskip("setuptools")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "monai_kd", tmp_path / "source" / "monai_kd", ignore=ignored)
    shutil.copytree(ROOT / "bundles", tmp_path / "source" / "bundles", ignore=shutil.ignore_patterns("runs", "data"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / "source")
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-lib", str(tmp_path / "built")]
    subprocess.run(command, cwd=tmp_path / "source", check=True, capture_output=True, timeout=120)
    built = tmp_path / "built"
    assert [path.name for path in built.iterdir()] == ["monai_kd"]
    files = built / "monai_kd" / "label" / "without_torchvision"
    assert {str(path.relative_to(files)) for path in files.rglob("*.py")} == {
        "torchvision/__init__.py",
        "torchvision/utils.py",
    }
