# SPDX-License-Identifier: Apache-2.0
"""To add a format takes one file and one line: the format of docs/extend.md can be listed, read and written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_kd.data import LoadUltrasoundd, list_images, read_dataset, save_mask
from monai_kd.data.image_files import formats
from tests.data.layout_fixtures import SIZE, lesion, speckle

PAGE = Path(__file__).parents[2] / "docs" / "extend.md"


@pytest.fixture
def numpy_arrays(monkeypatch):
    (file,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "ImageFormat(" in block)
    names = {}
    exec(compile(file, PAGE.name, "exec"), names)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, names["NUMPY"]))
    return names["NUMPY"]


@pytest.fixture
def root(tmp_path, numpy_arrays):
    for folder, values in (("images", speckle(1)), ("labels", lesion(1).astype(np.uint8) * 255)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "case.1.npy", values)
    return tmp_path


def test_it_is_listed_read_and_written(root):
    (record,) = read_dataset(root)
    assert record["id"] == "case.1"
    assert [listed["id"] for listed in list_images(root / "images")] == ["case.1"]
    loaded = LoadUltrasoundd()(record)
    np.testing.assert_array_equal(loaded["image"].numpy(), speckle(1)[None])
    np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(1))
    written = save_mask(loaded["label"], root / "masks")
    assert written.name == "case.1.npy"
    np.testing.assert_array_equal(np.load(written), lesion(1))


def test_a_format_that_is_not_written_has_masks_in_nrrd(root, numpy_arrays, monkeypatch):
    pytest.importorskip("itk")
    read_only = replace(numpy_arrays, write=None, mask_suffix=".nrrd")
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS[:-1], read_only))
    image = LoadUltrasoundd("image")({"image": str(root / "images" / "case.1.npy")})["image"]
    written = save_mask(image > 100, root / "masks")
    assert written.name == "case.1.nrrd"
    back = LoadUltrasoundd("label")({"label": str(written)})["label"]
    np.testing.assert_array_equal(back.numpy()[0], speckle(1) > 100)


def test_what_every_format_promises_holds_for_it(root):
    path = root / "images" / "case.1.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"case\.1\.npy cannot be decoded \(.+\)\. It is damaged"):
        LoadUltrasoundd("image")({"image": str(path)})
    np.lib.format.open_memmap(path, "w+", np.uint8, (9000, 9000)).flush()
    with pytest.raises(ValueError, match=r"case\.1\.npy has 9000 × 9000 pixels according to its header"):
        LoadUltrasoundd("image")({"image": str(path)})
    np.save(path, speckle(1)[..., None])
    assert LoadUltrasoundd("image")({"image": str(path)})["image"].shape == (1, *SIZE)
