# SPDX-License-Identifier: Apache-2.0
"""The two bundles, their data and a student, made once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.student_bundle.zoo_bundles import make_ct_bundle, make_ct_data, make_tools_bundle, make_tools_data


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """A folder with the bundles ``ct`` and ``tools``, their data ``ct_data`` and ``tools_data``, and a student."""
    folder = tmp_path_factory.mktemp("zoo")
    make_ct_bundle(folder / "ct")
    make_tools_bundle(folder / "tools")
    make_ct_data(folder / "ct_data")
    make_tools_data(folder / "tools_data")
    student = {"network_def": {"_target_": "StudentUNet", "channels": [4, 6, 8]}}
    (folder / "student.json").write_text(json.dumps(student))
    return folder


@pytest.fixture
def ct(zoo: Path, tmp_path: Path) -> Path:
    """A copy of the CT bundle, to be changed."""
    return Path(shutil.copytree(zoo / "ct", tmp_path / "ct"))
