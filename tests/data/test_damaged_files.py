# SPDX-License-Identifier: Apache-2.0
"""Files with bytes flipped, removed and inserted at random are read, or give one error that names the file."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from monai_kd.data import LoadUltrasoundd, list_images
from monai_kd.data.image_files.reading import read_image, read_mask
from monai_kd.data.layouts.tables import read_csv, read_xlsx
from tests.data.dicom_fixtures import IMPLICIT, JPEG, write_dicom
from tests.data.layout_fixtures import lesion, write_csv, write_image, write_xlsx

SIZE = (16, 12)
HEADER = 600  # most damage is done in these first bytes: the rest is pixels
FILES = [
    "1.png", "palette.png", "1.jpg", "1.bmp", "1.tif", "pages.tif", "1.nii", "1.nii.gz", "1.nrrd", "packed.nrrd",
    "1.mha", "packed.mha", "1.dcm", "implicit.dcm", "loop.dcm", "jpeg.dcm",
]  # fmt: skip
TABLES = ["1.csv", "1.xlsx"]

edits = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 10**6), st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("digit"), st.integers(0, 10**6), st.sampled_from([b"9", b"99999", b"-1"])),
        st.tuples(st.just("put in"), st.integers(0, 10**6), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("cut out"), st.integers(0, 10**6), st.integers(1, 60)),
        st.tuples(st.just("cut off"), st.integers(0, 10**6), st.none()),
    ),
    min_size=1,
    max_size=4,
)


@cache
def whole(name):
    """The bytes of an undamaged file."""
    mask = lesion(1, SIZE).astype(np.uint8) * 255
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        if name == "palette.png":
            Image.fromarray(mask.T).convert("P").save(path)
        elif name == "pages.tif":
            page = Image.fromarray(mask.T)
            page.save(path, save_all=True, append_images=[page], compression="tiff_lzw")
        elif name.startswith("packed"):
            import itk

            itk.imwrite(itk.image_view_from_array(np.ascontiguousarray(mask.T)), str(path), compression=True)
        elif name == "implicit.dcm":
            write_dicom(path, mask.T, syntax=IMPLICIT)
        elif name == "loop.dcm":
            write_dicom(path, np.stack([mask.T] * 2), frames=2)
        elif name == "jpeg.dcm":
            stream = io.BytesIO()
            Image.fromarray(mask.T).save(stream, "JPEG")
            write_dicom(path, np.stack([mask.T] * 2), frames=2, syntax=JPEG, jpegs=[stream.getvalue()] * 2)
        elif name == "1.csv":
            write_csv(path, [("ID", "Case"), ("a", 1), ("b", 2)])
        elif name == "1.xlsx":
            write_xlsx(path, [("ID", "Case"), ("a", 1), ("b", 2)])
        else:
            write_image(path, mask)
        return path.read_bytes()


def damaged(content, changes):
    content = bytearray(content)
    for number, (kind, position, what) in enumerate(changes):
        place = position % max(1, min(len(content), HEADER) if number % 2 == 0 else len(content))
        if kind == "cut off":
            del content[place:]
        elif kind == "cut out":
            del content[place : place + what]
        elif kind == "put in":
            content[place:place] = what
        else:
            content[place : place + len(what)] = what
    return bytes(content)


def check_one_clear_error(read, path):
    """The file is read, or the error names it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(path)
        except ValueError as error:
            assert path.name in str(error)


@pytest.mark.parametrize("name", FILES)
def test_sound_files_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(whole(name))
    for record in list_images(path):
        loaded = LoadUltrasoundd()({**record, "label": record["image"]})
        assert loaded["image"].shape == loaded["label"].shape == (1, *SIZE)


@pytest.mark.parametrize("name", FILES)
def test_damaged_image_or_mask(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("damaged")

    @settings(derandomize=True, deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
    @given(edits)
    def check(changes):
        path = folder / name
        path.write_bytes(damaged(whole(name), changes))
        check_one_clear_error(read_image, path)
        check_one_clear_error(read_mask, path)
        check_one_clear_error(lambda path: [LoadUltrasoundd()(record) for record in list_images(path)[:1]], path)

    check()


@pytest.mark.parametrize("name", TABLES)
def test_damaged_table(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("damaged")

    @settings(derandomize=True, deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
    @given(edits)
    def check(changes):
        path = folder / name
        path.write_bytes(damaged(whole(name), changes))
        columns = ("ID", "Case")
        check_one_clear_error(
            lambda path: read_csv(path, columns) if name == "1.csv" else read_xlsx(path, columns, name), path
        )

    check()
