# SPDX-License-Identifier: Apache-2.0
"""Limits of size that are checked before decoding."""

from __future__ import annotations

import gzip
import io

import nibabel
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("monailabel")

from fastapi import HTTPException

from monai_kd.label.requests.limits import MOST_DECODED, decoded_bytes, require_decodable
from monai_kd.label.studies.datastore import StudyDatastore
from monai_kd.label.studies.sessions import CheckedSessions
from tests.data.layout_fixtures import speckle, write_image


def nifti(path, shape, kind, slope=None):
    """A file whose header claims more data than it holds."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(shape)
    if slope:
        header.set_slope_inter(slope, 0)
    file = io.BytesIO()
    header.write_to(file)
    path.write_bytes(gzip.compress(file.getvalue() + bytes(2**20), compresslevel=0))
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "slope", "wanted"),
    [((100, 50), np.uint8, None, 4), ((100, 50, 3), np.float64, None, 8), ((100, 50), np.int16, 0.5, 8)],
)
def test_nifti_by_its_type_and_scale(tmp_path, shape, kind, slope, wanted):
    assert decoded_bytes(nifti(tmp_path / "a.nii.gz", shape, kind, slope)) == np.prod(shape) * wanted


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".mha", ".tiff", ".bmp"])
def test_other_formats_as_they_are_computed(tmp_path, suffix):
    assert decoded_bytes(write_image(tmp_path / f"a{suffix}", speckle(1))) == 40 * 28 * 4


def large(tmp_path):
    Image.new("1", (8192, 8192)).save(tmp_path / "large.png")
    return [tmp_path / "large.png", nifti(tmp_path / "large.nii.gz", (8192, 8192, 2), np.float64)]


def test_what_is_too_large_is_refused_in_every_way_it_comes(tmp_path):
    write_image(tmp_path / "study" / "a.png", speckle(1))
    store, sessions = StudyDatastore(tmp_path / "study"), CheckedSessions(str(tmp_path / "sessions"))
    for file in large(tmp_path):
        assert decoded_bytes(file) > MOST_DECODED and file.stat().st_size < 2**20 * 2
        for call in (
            lambda file=file: require_decodable(file, "It"),
            lambda file=file: store.add_image("new", str(file), {}),
            lambda file=file: store.save_label("a", str(file), "final", {}),
            lambda file=file: sessions.add_session(str(file)),
        ):
            with pytest.raises(HTTPException, match=r"413: .* MB of memory when it is decoded"):
                call()
    assert store.list_images() == ["a"] and not store.get_labeled_images()
