# SPDX-License-Identifier: Apache-2.0
"""What `label start` refuses before the server starts, and how a task's process ends with an error."""

import logging
import re

import pytest
from filelock import FileLock

pytest.importorskip("monailabel")

from monai_kd.label.requests import client_errors
from monai_kd.label.server import serve
from monai_kd.label.studies.study_folder import require_study
from monai_kd.phantom import write_phantoms
from tests.data.layout_fixtures import speckle, write_image


@pytest.fixture
def study(tmp_path):
    write_image(tmp_path / "study" / "a.png", speckle(0))
    write_image(tmp_path / "study" / "further" / "b.png", speckle(1))
    return tmp_path / "study"


def test_a_study_and_its_number_of_images(study, caplog):
    with caplog.at_level(logging.INFO):
        require_study(study)
        (study / "a.png").unlink()
        require_study(study)
        (study / "labels" / "final").mkdir(parents=True)
        require_study(study)
    assert [record.getMessage()[:8] for record in caplog.records] == ["1 images", "0 images", "0 images"]
    assert "subfolders are not searched" in caplog.records[1].getMessage()


def test_a_folder_that_is_no_study(study, tmp_path):
    for missing in (tmp_path / "nowhere", study / "a.png"):
        with pytest.raises(FileNotFoundError, match=r"No folder of images at .* Correct --studies"):
            require_study(missing)
    assert not (tmp_path / "nowhere").exists()
    write_phantoms(tmp_path / "phantoms", 2)
    with pytest.raises(ValueError, match=r"'dataset_a'.*data convert .*phantoms .*--output-layout monailabel"):
        require_study(tmp_path / "phantoms")


def test_a_second_server_of_one_app(study, tmp_path):
    """It would remove the files of the first one's requests."""
    (tmp_path / "app" / "tmp").mkdir(parents=True)
    (tmp_path / "app" / "main.py").touch()
    (tmp_path / "app" / "tmp" / "tmpupload").touch()
    with FileLock(tmp_path / "app" / ".lock"), pytest.raises(ValueError, match="is being worked on by another process"):
        serve(tmp_path / "app", study, port=0)
    assert (tmp_path / "app" / "tmp" / "tmpupload").exists()


def test_pydicom_3_is_named_before_the_app_is_touched(study, tmp_path, monkeypatch):
    """``pip install 'monai_kd[dicom]'`` without constraints brings it."""
    (tmp_path / "site" / "pydicom-3.0.2.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "pydicom-3.0.2.dist-info" / "METADATA").write_text("Name: pydicom\nVersion: 3.0.2\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ImportError, match=r"does not start with pydicom 3.0.2. Run: pip install 'pydicom<3'"):
        serve(tmp_path / "app", study, port=0)
    assert not (tmp_path / "app").exists()


@pytest.mark.parametrize("is_child", [True, False])
def test_a_tasks_own_process_ends_with_the_cause(monkeypatch, is_child):
    monkeypatch.setattr(client_errors, "is_child", lambda: is_child)
    error, text = (SystemExit, "Error: No label yet.") if is_child else (client_errors.HTTPException, "400")
    with pytest.raises(error, match=re.escape(text)), client_errors.errors_of_task():
        raise ValueError("No label yet.")
