# SPDX-License-Identifier: Apache-2.0
"""What is released: a wheel that another environment runs, and a source archive from which all can be tested."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import monai_kd
from monai_kd.phantom import write_phantoms
from tests.test_docs import ROOT, blocks

BUNDLE = "bundles/breast_ultrasound_segmentation"

pytest.importorskip("build")
NOT_SOURCE = (
    *(
        ".git",
        ".venv",
        "build",
        "_build",
        "dist",
        "demo",
        "label",
        "runs",
        "data",
        "models",
        "__pycache__",
        "*.egg-info",
    ),
    *("tutorial", "own", "several", "students", "splits", "exported*", "zoo"),  # what the pages of docs/ write
)
NEW = ("--cached", "--others", "--exclude-standard")  # files that are not committed yet, too
BUNDLE = Path("bundles", "breast_ultrasound_segmentation")
SHIPPED = {f"models/{name}" for name in ("model.pt", "model_small.pt", "weights.json")}
OF_CLASSES = {f"bundles/breast_ultrasound_classification/models/{name}" for name in ("model.pt", "weights.json")}
STRAY = (
    "models/patients.pt",
    "models/teacher.pt",
    "runs/a/last.pt",
    "data/a.png",
    "configs/a.png",
    "studies/a/log.txt",
)


def run(*command, **arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, env=environment, **arguments
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The source archive, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("release")

    def ignored(place, names):
        # Only at the top: the package has rooms of these names.
        return shutil.ignore_patterns(*(NOT_SOURCE if Path(place) == ROOT else ("__pycache__",)))(place, names)

    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    for stray in STRAY:
        (folder / "source" / BUNDLE / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / BUNDLE / stray).write_text("a user's")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", cwd=folder / "source")
    return folder / "dist"


@pytest.fixture(scope="module")
def python(dist, tmp_path_factory):
    """
    Of an environment with the wheel in it and, borrowed from this one, all that is installed here: more than the wheel
    requires. That setup.py requires what is imported is test_architecture's.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    here = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (here / "borrowed.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return python


def test_the_version_is_in_one_place(dist):
    (wheel,) = dist.glob("*.whl")
    assert wheel.name.startswith(f"monai_kd-{monai_kd.__version__}-")
    assert f"\n## {monai_kd.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {monai_kd.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        assert not re.search(rf"(?<![\d.]){re.escape(monai_kd.__version__)}(?![\d.])", (ROOT / name).read_text()), name


def test_the_wheel_has_the_whole_package_and_nothing_else(dist):
    (wheel,) = dist.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("monai_kd-")}
    source = (path for path in (ROOT / "monai_kd").rglob("*") if path.is_file() and path.suffix != ".pyc")
    bundles = {name.removeprefix("monai_kd/") for name in names if name.startswith("monai_kd/bundles/")}
    assert names - {f"monai_kd/{name}" for name in bundles} == {path.relative_to(ROOT).as_posix() for path in source}
    assert {name for name in bundles if "/models/" in name} == OF_CLASSES | {
        f"{BUNDLE.as_posix()}/{name}" for name in SHIPPED
    }
    if (ROOT / ".git").exists():
        known = run("git", "ls-files", *NEW, "bundles", cwd=ROOT).split()
        assert bundles == {name for name in known if not name.startswith("bundles/source/")}
    assert not [name for name in bundles if name.endswith(STRAY)]


def test_weights_of_a_training_are_not_given_away(dist):
    source = dist.parent / "source"
    (source / BUNDLE / "models" / "model.pt").write_bytes(b"trained on a user's images")
    with pytest.raises(AssertionError, match="is not the shipped one"):
        run(sys.executable, "setup.py", "build_py", cwd=source)


def test_the_source_archive_has_what_the_tests_need(dist):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    for name in ("tests/helpers.py", f"{BUNDLE}/configs/train.json", "bundles/source/__main__.py", "constraints.txt"):
        assert name in names
    assert {"LICENSE", "CHANGELOG.md", "docs/index.md", "Makefile", "conftest.py"} <= names
    assert not [name for name in names if name.endswith((*STRAY, ".pyc"))]


def test_another_environment_runs_the_command_line(python, tmp_path):
    assert "Usage: python -m monai_kd" in run(python, "-m", "monai_kd", "--help", cwd=tmp_path)
    assert "Usage: monai-kd" in run(python.with_name("monai-kd"), "--help", cwd=tmp_path)


def test_another_environment_runs_the_readmes_script(python, tmp_path):
    where = "\nimport monai_kd; print(monai_kd.__file__)"
    printed = run(python, "-c", blocks(ROOT / "README.md", "python")[0] + where, cwd=tmp_path)
    assert Path(printed.splitlines()[-1]).is_relative_to(python.parents[1])


def test_another_environment_has_the_bundles_and_their_weights(python, tmp_path):
    package = Path(run(python, "-c", "import monai_kd; print(monai_kd.__file__)", cwd=tmp_path).strip()).parent

    def content():
        return {path: path.read_bytes() for path in (package / "bundles").rglob("*") if path.is_file()}

    def command(*words):
        return run(python, "-m", "monai_kd", *words, cwd=tmp_path)

    former = content()
    assert BUNDLE.name in command("run")
    write_phantoms(tmp_path / "data", 12)
    image = next((tmp_path / "data" / "original").glob("*.png"))
    assert "as shipped" in command("segment", image, "--output-dir", "masks")
    assert (tmp_path / "masks" / image.name).is_file() and not (tmp_path / "bundles").exists()
    small = ("--max-epochs", "1", "--spatial-size", "[32,32]", "--student-channels", "[2,4]", "--device", "cpu")
    told = command("run", "train_student", "--bundle", BUNDLE.name, "--dataset-dir", "data", *small)
    assert f"The bundle is now in {BUNDLE}" in told and f"Results: {BUNDLE / 'runs' / 'student'}" in told
    assert all((tmp_path / BUNDLE / name).is_file() for name in (*SHIPPED, "models/student.pt"))
    with pytest.raises(AssertionError, match="lies in the installed package"):
        command("run", "inference", "--bundle", BUNDLE.name, "--dataset-dir", "data", "--output-dir", package / "runs")
    assert content() == former
