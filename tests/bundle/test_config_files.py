# SPDX-License-Identifier: Apache-2.0
"""Configs in JSON and YAML are found by name, read with each key once, and merged as MONAI does."""

import json
import re

import pytest
from monai.bundle import ConfigParser

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_any, read_file, read_merged, write_config
from tests.bundle.in_yaml import in_yaml
from tests.bundles.conftest import ROOT

yaml = pytest.importorskip("yaml")
BASE = {"seed": 0, "train": {"handlers": [1], "trainer": {"max_epochs": 3}}, "name": "Läsion"}
OVERLAY = {"seed": 1, "+train#handlers": [2], "train#trainer#max_epochs": 5, "train::amp": True}


@pytest.fixture(params=[".json", ".yaml", ".yml"])
def files(request, tmp_path):
    """A config and its overlay in a bundle's folder."""
    paths = [tmp_path / "configs" / f"{name}{request.param}" for name in ("train", "methods/mine")]
    write_config(paths[0], BASE)
    write_config(paths[1], OVERLAY)
    return paths


def test_what_is_written_is_read(files):
    assert [read_file(file) for file in files] == [BASE, OVERLAY]
    assert "Läsion" in files[0].read_text(encoding="utf-8")


def test_overlays_are_merged_as_monai_merges_them(files, tmp_path):
    merged = {"seed": 1, "train": {"handlers": [1, 2], "trainer": {"max_epochs": 5}, "amp": True}, "name": "Läsion"}
    assert read_merged(files) == ConfigParser.load_config_files([str(file) for file in files]) == merged
    assert BundleFolder(tmp_path).config("train", "methods/mine") == merged


def test_configs_are_found_by_name(files, tmp_path):
    folder = BundleFolder(tmp_path)
    assert folder.names() == ["train", "methods/mine"] and folder.files() == files
    assert [folder.file(name) for name in folder.names()] == files
    assert folder.has("train") and not folder.has("methods") and folder.metadata == {}
    with pytest.raises(
        FileNotFoundError, match=rf"No configs/test\.json \(nor \.yaml\) in .*, which has {files[0].name}"
    ):
        folder.file("test")


def test_a_folder_that_is_no_bundle(tmp_path):
    folder = BundleFolder(tmp_path / "none")
    assert not folder.has("train") and folder.files() == [] and folder.metadata == {}
    with pytest.raises(FileNotFoundError, match=r"No configs/train\.json in '.*none'\. Name a bundle's folder\."):
        folder.file("train")


def test_json_goes_before_yaml(tmp_path):
    for suffix, seed in ((".yaml", 1), (".json", 2)):
        write_config(tmp_path / "configs" / f"train{suffix}", {"seed": seed})
    assert BundleFolder(tmp_path).config("train") == {"seed": 2}


@pytest.mark.parametrize("key", ["+seed", "train#handlers#7", "other#id", "seed#0"])
def test_an_overlay_that_does_not_fit_is_named(files, key):
    write_config(files[1], {key: [1]})
    with pytest.raises(ValueError, match=rf"'{re.escape(str(files[1]))}': '{re.escape(key)}' does not fit"):
        read_merged(files)


def test_every_config_of_a_bundle_means_the_same_in_yaml(tmp_path):
    folder, json_folder = BundleFolder(in_yaml(ROOT, tmp_path)), BundleFolder(ROOT)
    assert folder.names() == json_folder.names()
    for overlays in (["train"], ["train", "methods/logits_kl", "views/shared"], ["inference"], ["evaluate"]):
        assert folder.config(*overlays) == json_folder.config(*overlays)
    assert folder.metadata == json_folder.metadata


def test_a_key_that_replaces_a_merged_one_is_there_once(tmp_path):
    file = tmp_path / "train.yaml"
    file.write_text("z: &z {a: 1}\nouter:\n  x: &x {<<: *z, a: 2}\ny: {<<: *x, b: 3}\n")
    assert read_file(file) == {"z": {"a": 1}, "outer": {"x": {"a": 2}}, "y": {"a": 2, "b": 3}}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"a": 1', "a.json' is not JSON: Expecting"),
        ("a.json", "[" * 100000, "a.json' is not JSON: maximum recursion"),
        ("a.yaml", "day: 2024-13-01", "a.yaml' is not YAML: month must be"),
        ("a.yaml", "a: {b: 1, b: 2}", "a.yaml' has 'b' twice"),
        ("a.json", '[{"a": {"b": 1, "b": 2}}]', "a.json' has 'b' twice"),
        ("a.txt", "a: 1", "must be a JSON or YAML file"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_file(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_any(tmp_path / name)


def test_a_list_is_no_config(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1]))
    assert read_any(tmp_path / "a.json") == [1]
    with pytest.raises(ValueError, match="must be names with values"):
        read_file(tmp_path / "a.json")
