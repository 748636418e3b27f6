# SPDX-License-Identifier: Apache-2.0
"""Bundles by name: the working folder comes first, then the package."""

import pytest

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.finding import bundles, find_bundle, find_path
from monai_kd.bundle.shipped_bundles import copy_bundle, shipped_bundles
from monai_kd.utils import claim_outputs
from monai_kd.utils.distinct_paths import PACKAGE

NAME = "breast_ultrasound_segmentation"


def test_the_package_has_bundles_wherever_one_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (NAME, f"bundles/{NAME}", shipped_bundles() / NAME):
        assert find_bundle(name) == find_path(name) == shipped_bundles() / NAME
    study = f"{NAME}/studies/paper.yaml"
    assert find_path(study) == find_path(f"bundles/{study}") == shipped_bundles() / study


@pytest.mark.parametrize("place", [NAME, f"bundles/{NAME}"])
def test_what_is_in_the_working_folder_comes_first(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_bundle(find_bundle(NAME), tmp_path / place)
    own = tmp_path / place
    assert find_bundle(place).resolve() == find_bundle(NAME).resolve() == own
    assert find_path(f"{place}/studies/paper.yaml").resolve() == own / "studies" / "paper.yaml"
    assert (own / "models" / "model.pt").is_file() and not (own / "runs").exists()
    with pytest.raises(ValueError, match="is not empty"):
        copy_bundle(shipped_bundles() / NAME, own)


def test_what_is_not_there_stays_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", "bundles", "bundles/none", f"{NAME}/none.json", f"/{NAME}", f"elsewhere/{NAME}"):
        assert str(find_path(path)) == (path or ".")
    (tmp_path / NAME).mkdir()  # no bundle: a folder of results, for instance
    assert find_bundle(NAME) == bundles()[NAME] == shipped_bundles() / NAME


def test_an_installed_package_is_not_written_into(tmp_path):
    places = {"output_dir": PACKAGE / "bundles" / NAME / "runs"}
    with pytest.raises(ValueError, match=r"output_dir '.*' lies in the installed package.*--output-dir"):
        claim_outputs(**places)
    with pytest.raises(ValueError, match=r"checkpoint '.*' lies in the installed package"):
        claim_outputs(tmp_path / "out", {"checkpoint": PACKAGE / "bundles" / NAME / "models" / "model.pt"})
    assert not (PACKAGE / "bundles").exists() or not places["output_dir"].exists()


@pytest.mark.parametrize("option", ["", ".", "..", "../configs", "configs", "a" * 300, "method#a", "s"])
def test_an_option_that_names_no_folder_of_overlays_is_an_id(option):
    folder = BundleFolder(find_bundle(NAME))
    assert folder.overlay_folder("method") == folder.overlay_folder("methods") == "methods"
    assert folder.overlay_folder(option) is None
