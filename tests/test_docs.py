# SPDX-License-Identifier: Apache-2.0
"""Every command and every Python block of the README and the docs is run, at the smallest size."""

import ast
import itertools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from monai_kd.bundle.command_line import read_command
from monai_kd.export.web.npm_packages import fetch_packages
from monai_kd.phantom import write_phantoms
from monai_kd.study import read_plan
from tests.bundles.conftest import run_bundle
from tests.data.layout_fixtures import make_breast
from tests.student_bundle.nnunet.fake_results import make_results
from tests.student_bundle.zoo_bundles import (
    make_ct_bundle,
    make_ct_data,
    make_organs_bundle,
    make_organs_data,
    make_tools_bundle,
    make_tools_data,
)

ROOT = Path(__file__).parents[1]
BUNDLE = Path("bundles", "breast_ultrasound_segmentation")
CLASSIFICATION = BUNDLE.with_name("breast_ultrasound_classification")
READMES = [ROOT / bundle / "docs" / "README.md" for bundle in (BUNDLE, CLASSIFICATION)]
PAGES = [ROOT / "README.md", *READMES, *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"\b(?:as|in)\s`([\w/]+\.(?:json|py|yaml))`:\n\n```\w+\n(.*?)^```", re.M | re.S)
WIDTH = 110  # characters of a line of a command
# Commands are run as written; only what costs time is added at their end, where the config has it.
SMALL = {
    "phantom": ["--count", "16"],
    "bundle": {
        "device": "$torch.device('cpu')",
        "spatial_size": "[32,32]",
        "teacher_channels": "[4,4,6,6]",
        "max_epochs": "1",
        "steps_per_epoch": "2",
        "batch_size": "4",
    },
    BUNDLE.name: {"student_channels": "[2,4,4]"},
    CLASSIFICATION.name: {"student_channels": "[2,4,4,6]"},
}


def blocks(page, language):
    return [text for name, text in BLOCK.findall(page.read_text()) if name == language]


def files(page):
    """What a page asks to save, by the file's name: the blocks behind "as `name`:" or "in `name`:"."""
    return dict(FILE.findall(page.read_text()))


def snippets(page):
    """The Python to run as it stands, not as a file; tests/test_extend.py runs the files of extend.md."""
    return [block for block in blocks(page, "python") if block not in files(page).values()]


def studies(page):
    return [block for block in blocks(page, "yaml") if block not in files(page).values()]


def smaller(words):
    words = [re.sub(r"^labels=\d+$", "labels=3", word) for word in words]
    if "163" in words:
        return words + SMALL["phantom"]
    if "onnx,web" in words and not has_page_packages():
        words[words.index("onnx,web")] = "onnx"
    if "distill" in words:
        return [*words, "--max-epochs", "1"]
    if "export" in words and "--network" in words:  # the shipped weights, not those that trainings left here
        return [str(ROOT / BUNDLE) if word == str(BUNDLE) else word for word in words]
    if "segment" in words:
        return [*words, "--bundle", str(ROOT / BUNDLE)]  # trainings of other pages overwrite the checkout's weights
    if "--seeds" in words:
        return [*words, "--seeds", "1"]
    if words[3:4] == ["study"]:  # its file was made short
        return words
    return smaller_run(words) if words[3:4] == ["run"] or words[4:5] == ["run"] else words


@cache
def has_page_packages():
    """Whether the page's npm packages are in the cache, or can be downloaded."""
    try:
        return bool(fetch_packages())
    except ValueError:
        return False


def smaller_run(words):
    start = words.index("run") + 1
    if "monai.bundle" in words:
        named = words[words.index("--config_file") + 1]
        files = ast.literal_eval(named) if named.startswith("[") else [named]
    else:
        rest = words[start + 1 :]
        bundle, overlays = (
            [value for key, value in itertools.pairwise(rest) if key == option] for option in ("--bundle", "--overlay")
        )
        plain = [
            word for i, word in enumerate(rest) if not {word, *rest[max(0, i - 1) : i]} & {"--bundle", "--overlay"}
        ]
        files = read_command(words[start], next(iter(bundle), None), overlays, plain)["config_file"]
    of_classes = CLASSIFICATION.name in files[0] or Path.cwd().name == CLASSIFICATION.name
    small = {**SMALL["bundle"], **SMALL[CLASSIFICATION.name if of_classes else BUNDLE.name]}
    config = ConfigParser.load_config_files(files)
    at = place(words, "args_file")
    if "max_epochs" not in config and at is None:  # the record in the checkpoint has the sizes
        small = {"device": small["device"]}
    settings = "" if at is None else Path(words[at + 1]).read_text()
    if any(word.isdigit() for key, word in itertools.pairwise(words) if key == "--labels") or '"labels"' in settings:
        small["labels"] = "3"
    if "autoencoder" in config or "teacher_layers" in str(config.get("pathways")):
        # The teacher's deepest feature has a 32nd of the image's size, and methods want more than one place in it.
        small["spatial_size"] = "[64,64]"
    for key, value in small.items():
        at = place(words, key)
        if key in config and at is not None:
            words[at + 1] = value
        elif key in config:
            words = [*words, f"--{key}", value]
    return words


def place(words, name):
    """Where an id is given, with dashes or with the underscores of MONAI's command; None where it is not."""
    return next((i for i, word in enumerate(words) if word[:2] == "--" and word[2:].replace("-", "_") == name), None)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder with the bundle, synthetic images and a teacher in it, where all commands of the docs are run."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "bundles", folder / "bundles", ignore=shutil.ignore_patterns("runs", "*.pt"))
    write_phantoms(folder / "data" / "phantoms", count=16)
    studies = folder / BUNDLE / "studies"
    rows = studies / "paper.yaml"
    rows.write_text(rows.read_text().split("  L_MSE_WAug:")[0])  # the first three
    for name in ("reduced", "methods", "methods_grid", "layerwise"):  # hours
        shutil.copy(studies / "smoke.yaml", studies / f"{name}.yaml")
    for study in (
        *(studies / f"{name}.yaml" for name in ("adaptation", "labels", "shipped", "unlabelled")),
        *(folder / CLASSIFICATION).rglob("*.yaml"),
    ):
        study.write_text(shorter(study.read_text()))
    run_bundle(
        "train_teacher",
        teacher_def=ConfigParser.load_config_file(folder / BUNDLE / "configs" / "train_teacher.json")["teacher_def"],
        dataset_dir=str(folder / "data" / "phantoms"),
        output_dir=str(folder / "teacher"),
        checkpoint=str(folder / BUNDLE / "models" / "teacher.pt"),
    )
    return folder


def shorter(study):
    """A study's first two rows and its last, for one epoch of one split."""
    for name, value in (("splits", 1), ("max_epochs", 1), ("spatial_size", [64, 64])):
        study = re.sub(rf"{name}: .*", f"{name}: {value}", study)
    if "recipes/" in study:  # they count steps
        study = study.replace("settings:\n", "settings:\n  steps_per_epoch: 2\n  max_epochs: 1\n", 1)
    head, _, rows = study.partition("rows:\n")
    _, first, second, *_, last = re.split(r"(?m)^(?=  \w)", rows) if rows else [""] * 4
    return head + "rows:\n" + first + second + last if rows else study


def run(command, monkeypatch):
    words = smaller(shlex.split(command))
    if words[0] == "torchrun":
        arguments = [sys.executable, "-m", "torch.distributed.run", "--standalone", *words[1:]]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return
    module = words[1] == "-m"
    assert words[0] == "python", f"the test does not know how to run: {command}"
    script = Path(words[1])
    monkeypatch.setattr(sys, "argv", words[2:] if module else words[1:])
    try:
        if module:
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(str(script if script.exists() else ROOT / script), run_name="__main__")
    except SystemExit as end:
        assert not end.code, command


def title(page):
    return f"{page.parent.parent.name}-{page.name}" if page in READMES else page.name


def parts():
    """A page's commands go together, since later ones need earlier ones; the studies of results.md stand alone."""
    for page in PAGES:
        commands = blocks(page, "bash")
        if page.name == "results.md":
            yield from (pytest.param(page, [one], id=f"{page.name}-{i}") for i, one in enumerate(commands))
        elif commands:
            yield pytest.param(page, commands, id=title(page))


@pytest.mark.parametrize(("page", "commands"), parts())
def test_commands(page, commands, checkout, monkeypatch):
    home = checkout / "bundles" / page.parent.parent.name if page in READMES else checkout
    monkeypatch.chdir(home)
    if home != checkout:  # its commands are for the bundle's own folder, with the images in data/
        for folder in ("models", "runs"):
            shutil.rmtree(folder, ignore_errors=True)
        write_phantoms("data", count=16)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    if "data/BrEaST" in page.read_text():
        make_breast(Path("data/BrEaST"), cases=range(1, 25))
    if "data/BUSBRA" in page.read_text() and not Path("data/BUSBRA").exists():
        shutil.copytree("data/phantoms", "data/BUSBRA")
    if page.name == "distill.md":
        make_ct_bundle(Path("zoo/spleen_ct_segmentation"), size=48)
        make_tools_bundle(Path("zoo/endoscopic_tool_segmentation"))
        make_ct_data(Path("data/Task09_Spleen"), side=48)
        make_organs_bundle(Path("zoo/wholeBody_ct_segmentation"))
        make_organs_data(Path("data/TotalSegmentator"))
        make_tools_data(Path("data/tools"))
    if page.name in ("nnunet.md", "coming_from.md"):  # nnU-Net's own commands on these pages are not run here
        for kind in ("raw", "preprocessed", "results"):
            shutil.rmtree(f"nnUNet_{kind}", ignore_errors=True)  # another page's
        make_results(Path(), folds=tuple("01234"), dataset="Dataset501_Phantoms")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the training's process, for the networks of these results
    monkeypatch.syspath_prepend(home)  # a module saved there is found, as by `python -m`
    for name, text in files(page).items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    for block in commands:
        for command in block.replace("\\\n", " ").strip().splitlines():
            if "data phantom --output-dir data/phantoms" in command and Path("data/phantoms").exists():
                shutil.rmtree("data/phantoms")
            run(command, monkeypatch)
    if page.name == "bundles.md":
        for file in ("runs/evaluation/scores.csv", "runs/inference/000001.png", "models/teacher.pt"):
            assert Path("bundles/breast_ultrasound_segmentation", file).is_file()


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=lambda page: page.name)
def test_python(page, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.syspath_prepend(ROOT)
    names = {"__name__": "docs"}
    for block in snippets(page):
        exec(compile(block, page.name, "exec"), names)
    assert set(names) > {"__name__", "__builtins__"}, "the page defines nothing: is anything shown?"


@pytest.mark.parametrize("page", [page for page in PAGES if studies(page)], ids=lambda page: page.name)
def test_studies(page, checkout):
    for number, block in enumerate(studies(page)):
        path = checkout / f"study{number}.yaml"
        path.write_text(block)
        assert len(read_plan(path).rows) > 2


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_commands_fit_a_page(page):
    for line in (line for block in blocks(page, "bash") for line in block.splitlines()):
        one_value = len(shlex.split(line.rstrip("\\"))) <= 2
        assert len(line) <= WIDTH or one_value, f"break this line by a backslash: {line}"


def test_links_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 90
    assert len(blocks(ROOT / "README.md", "python")[0].strip().splitlines()) <= 14
