# SPDX-License-Identifier: Apache-2.0
"""The folder of the data reaches every config as it was given, with a slash at its end if a config needs it."""

import json

import pytest

from monai_kd.student_bundle import Request, bundle_commands, make_draft, write_bundle
from tests.student_bundle.zoo_bundles import edit


@pytest.fixture
def joined(ct):
    """A bundle that appends names to ``dataset_dir`` without a slash."""
    edit(ct, "train", data_list_file_path="$@dataset_dir + 'dataset.json'")
    edit(ct, "inference", datalist="$list(sorted(glob.glob(@dataset_dir + 'imagesTs/*.nii.gz')))")
    return ct


def request(root, zoo, folder, **values):
    return Request(root, str(zoo / "student.json"), folder, **values)


def configs_of(root):
    return {path.stem: json.loads(path.read_text()) for path in (root / "configs").glob("*.json")}


def test_a_slash_is_kept(joined, zoo, tmp_path):
    asked = request(joined, zoo, f"{zoo}/ct_data/")
    assert asked.data == asked.inference_data == f"{zoo}/ct_data/"
    draft = make_draft(asked)
    write_bundle(draft, [], tmp_path / "new", asked.data)  # builds and tries all configs
    for name, command in bundle_commands(tmp_path / "new", "data/").items():
        assert "--dataset-dir data/" in f"{command} ", name


@pytest.mark.parametrize("config", ["train", "inference"])
def test_a_slash_that_the_teachers_own_folder_has_is_added(config, joined, zoo, tmp_path):
    edit(joined, config, dataset_dir="/workspace/data/")
    asked = request(joined, zoo, zoo / "ct_data")
    assert asked.data == f"{zoo}/ct_data/"
    write_bundle(make_draft(asked), [], tmp_path / "new", asked.data, tried=False)
    assert all("--dataset-dir data/" in command for command in bundle_commands(tmp_path / "new", "data").values())
    assert "--dataset-dir DATA/" in (tmp_path / "new" / "docs" / "README.md").read_text()


def test_a_slash_that_is_missing_is_named(joined, zoo):
    message = r"cannot be made from dataset_dir '.*ct_data'.*without a slash, add one: '.*ct_data/'"
    with pytest.raises(ValueError, match=message):
        make_draft(request(joined, zoo, zoo / "ct_data"))


def test_the_setting_of_the_id_is_taken_everywhere(joined, zoo, tmp_path):
    asked = request(joined, zoo, zoo / "tools_data", settings={"dataset_dir": f"{zoo}/ct_data/"})
    assert asked.data == asked.inference_data == f"{zoo}/ct_data/"
    write_bundle(make_draft(asked), [], tmp_path / "new", asked.data, tried=False)
    configs = configs_of(tmp_path / "new")
    assert {configs[name]["dataset_dir"] for name in ("train", "inference")} == {f"{zoo}/ct_data/"}


def test_a_setting_that_is_no_folder(ct, zoo):
    for folder, message in (
        ("$@bundle_root + '/data'", "is an expression"),
        ("/nowhere", "The data folder '/nowhere'"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            make_draft(request(ct, zoo, zoo / "ct_data", settings={"dataset_dir": folder}))


def test_inference_with_data_of_its_own(ct, zoo, tmp_path):
    listed = "$[line for line in open(@dataset_dir + '/test.txt').read().split()]"
    edit(ct, "inference", datalist=listed)
    draft = make_draft(request(ct, zoo, zoo / "ct_data"))
    with pytest.raises(ValueError, match=r"new bundle's inference cannot be built.*test\.txt.*--inference-dataset-dir"):
        write_bundle(draft, [], tmp_path / "new", zoo / "ct_data")
    assert not (tmp_path / "new").exists()
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test.txt").write_text(str(zoo / "ct_data" / "imagesTs" / "spleen_9.nii.gz"))
    assert write_bundle(draft, [], tmp_path / "new", zoo / "ct_data", tmp_path / "test") == []
    shown = bundle_commands(tmp_path / "new", "data", "test")
    assert shown["Inference"].endswith("--dataset-dir test") and shown["Evaluation"].endswith("--dataset-dir data")
    with pytest.raises(FileNotFoundError, match=r"The data folder 'none' does not exist.*--inference-dataset-dir"):
        make_draft(request(ct, zoo, zoo / "ct_data", inference_dir="none"))
