# SPDX-License-Identifier: Apache-2.0
"""The committed configs are those that ``bundles/source`` writes."""

import json
import shutil
import subprocess
import sys

import pytest

from bundles.source.layout import WIDTH, laid_out
from bundles.source.writing import BUNDLES, SOURCES, from_source, outdated
from monai_kd.bundle.finding import bundles
from tests.bundles.conftest import CLASSIFICATION, ROOT

# The ids in which a training with a teacher may differ from one without.
OF_THE_TEACHER = {
    *("output_dir", "checkpoint", "teacher_checkpoint", "teacher_def", "teacher_channels", "student_layers"),
    *("teacher_layers", "supervised_weight", "pathways", "optimizer#params", "train#handlers", "train#trainer"),
    *("resumed#pathways", "settings#supervised_weight", "settings#pathways", "settings#teacher"),
    *("inputs#teacher_checkpoint", "recorded#teacher_def", "initialize", "run"),
}


def ids(config, prefix=""):
    """Each id with its value, down to the second level."""
    for key, value in config.items():
        yield from ids(value, f"{key}#") if not prefix and isinstance(value, dict) else [(prefix + key, value)]


def test_committed_configs_are_what_their_source_says():
    names = sorted(file.relative_to(BUNDLES).as_posix() for file in outdated())
    assert not names, f"`make configs` writes these otherwise: {names}. Change bundles/source, run it, commit both."


def test_what_both_bundles_have_is_said_once():
    there = [
        {file.relative_to(root / "configs") for file in (root / "configs").rglob("*.json")}
        for root in (ROOT, CLASSIFICATION)
    ]
    written = {file.relative_to(BUNDLES) for file in from_source()}
    both = {
        root.relative_to(BUNDLES) / "configs" / name for name in there[0] & there[1] for root in (ROOT, CLASSIFICATION)
    }
    assert both <= written


def test_logging_of_all_bundles_has_one_source():
    assert {root / "configs" / "logging.conf" for root in (ROOT, CLASSIFICATION)} <= set(from_source())


def test_each_bundle_has_a_source_and_the_source_is_no_bundle():
    assert SOURCES.keys() == bundles().keys()


@pytest.mark.parametrize("root", [ROOT, CLASSIFICATION], ids=lambda root: root.name)
def test_a_student_alone_and_a_distilled_one_train_alike(root):
    alone, distilled = (
        dict(ids(json.loads((root / "configs" / f"{name}.json").read_text()))) for name in ("train_student", "train")
    )
    differ = {name for name in {*alone, *distilled} if alone.get(name, ...) != distilled.get(name, ...)}
    assert {name for name in differ if not {name, name.split("#")[0]} & OF_THE_TEACHER} == set()


def test_the_command_writes_what_is_missing_or_changed_and_says_so(tmp_path):
    shutil.copytree(BUNDLES, tmp_path / "bundles", ignore=shutil.ignore_patterns("models", "runs", "data", "*.pyc"))
    configs = tmp_path / "bundles" / ROOT.name / "configs"
    before = {name: (configs / name).read_text() for name in ("train.json", "views/shared.json", "networks/small.json")}
    (configs / "train.json").write_text("{}")
    (configs / "views" / "shared.json").unlink()
    (configs / "networks" / "small.json").write_text(json.dumps(json.loads(before["networks/small.json"])))
    command = [sys.executable, "-m", "bundles.source"]
    printed = [subprocess.check_output(command, cwd=tmp_path, text=True).splitlines() for _ in range(2)]
    assert printed == [sorted(f"bundles/{ROOT.name}/configs/{name}" for name in before), []]
    assert {name: (configs / name).read_text() for name in before} == before


def test_layout():
    short = {"_target_": "Compose", "keys": ["image", "label"]}
    text = laid_out({"one": short, "empty": {}, "list": [short, 1e-4, None, True, "é"], "long": ["x" * 60] * 2})
    assert text.splitlines()[1:5] == [
        '    "one": {"_target_": "Compose", "keys": ["image", "label"]},',
        '    "empty": {},',
        '    "list": [',
        '        {"_target_": "Compose", "keys": ["image", "label"]},',
    ]
    assert '\n        "é"\n    ],\n    "long": [\n' in text
    fits = "x" * (WIDTH - len('    "": [""],'))
    assert len(laid_out({"": [fits]}).splitlines()) == 3
    assert len(laid_out({"": [fits + "x"]}).splitlines()) == 5
