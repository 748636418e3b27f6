# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

from monai_kd.data import LAYOUTS, Breast, PlainFolders, layouts, read_dataset
from tests.data import layout_fixtures
from tests.data.layout_fixtures import make_breast, make_bus_bra, make_plain


def maker(name):
    """``make_<name>`` of the fixtures, else ``make`` of the layout's own test."""
    makers = {key.replace("_", ""): value for key, value in vars(layout_fixtures).items() if key.startswith("make_")}
    found = makers.get(f"make{name.replace('_', '')}")
    return found or import_module(f"tests.data.layouts.test_{name}").make


MAKERS = {layout.name: maker(layout.name) for layout in LAYOUTS}


def test_every_layout_of_a_file_is_known():
    """Whoever forgets the line in ``__init__`` is told."""
    found = set()
    for module in pkgutil.iter_modules(layouts.__path__, f"{layouts.__name__}."):
        values = [value for value in vars(import_module(module.name)).values() if isinstance(value, type)]
        found |= {value for value in values if value.__module__ == module.name and hasattr(value, "missing")}
    assert found == {type(layout) for layout in LAYOUTS} and len(LAYOUTS) >= 8


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("above", [".", "BUS", "archive/UDIAT_Dataset_B"])
@pytest.mark.parametrize("named", [True, False])
def test_data_set_is_found_at_its_root_or_below(tmp_path, name, above, named):
    if name == "breast" and above.startswith("archive"):
        above = "archive"  # the images' folder itself is one level down
    MAKERS[name](tmp_path / above)
    records = read_dataset(tmp_path, layout=name if named else None)
    assert records
    ids = [record["id"] for record in records]
    assert ids == sorted(set(ids))
    for record in records:
        assert set(record) == {"image", "label", "id", "patient", "pathology"}
        labels = record["label"] if isinstance(record["label"], list) else [record["label"]]
        values = [*labels, *(value for key, value in record.items() if key != "label")]
        assert all(isinstance(value, str) and value for value in values)


def test_layout_object_is_taken_as_layout(tmp_path):
    make_plain(tmp_path, count=3)
    assert len(read_dataset(tmp_path, layout=PlainFolders())) == 3


def test_name_selects_among_several_data_sets(tmp_path):
    make_plain(tmp_path / "mine")
    make_bus_bra(tmp_path / "BUSBRA")
    with pytest.raises(ValueError, match=r"(?s)several data sets.*'bus_bra' in .*BUSBRA.*'plain' in .*mine"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path, "bus_bra")[0]["id"].startswith("bus_")


def test_files_of_operating_systems_are_passed_over(tmp_path):
    make_plain(tmp_path, count=3)
    for name in ("Thumbs.db", ".DS_Store", "._case.1.png", "desktop.ini"):
        (tmp_path / "images" / name).write_bytes(b"x")
    (tmp_path / "__MACOSX" / "images").mkdir(parents=True)
    assert len(read_dataset(tmp_path)) == 3


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*Set dataset_dir"):
        read_dataset(tmp_path / "nowhere")


def test_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"data\.zip is a file"):
        read_dataset(tmp_path / "data.zip")


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="is empty"):
        read_dataset(tmp_path)


def test_folders_without_files(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        read_dataset(tmp_path)


def test_unknown_layout_names_all_that_were_tried_and_what_they_need(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ValueError, match="No known layout") as error:
        read_dataset(tmp_path)
    for words in ("'dataset_a' lacks folder original, folder GT", "'breast' lacks", "bus_data.csv", "folder labels"):
        assert words in str(error.value)


def test_named_layout_that_is_not_there(tmp_path):
    make_plain(tmp_path)
    with pytest.raises(ValueError, match="'dataset_a' lacks folder original, folder GT") as error:
        read_dataset(tmp_path, "dataset_a")
    assert "bus_bra" not in str(error.value)


def test_unknown_name_gives_the_closest(tmp_path):
    make_plain(tmp_path)
    with pytest.raises(ValueError, match=re.escape("No layout 'BUSBRA'. Closest: 'bus_bra'.")):
        read_dataset(tmp_path, "BUSBRA")


def test_breast_object_reads_other_masks(tmp_path):
    make_breast(tmp_path)
    labels = [record["label"] for record in read_dataset(tmp_path, Breast(other_masks=True))]
    assert [isinstance(label, list) for label in labels] == [True, False, False, False, False]
