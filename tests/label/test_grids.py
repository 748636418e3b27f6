# SPDX-License-Identifier: Apache-2.0
"""The grid of a label: mirrored or exchanged axes are turned back, any other grid is refused."""

from __future__ import annotations

import itertools
import shutil

import nibabel
import numpy as np
import pytest

pytest.importorskip("monailabel")

from fastapi import HTTPException

from monai_kd.data.image_files.geometry import PICTURE, on_grid_of, on_picture
from monai_kd.data.image_files.reading import read_mask
from monai_kd.label.studies.datastore import StudyDatastore
from tests.data.layout_fixtures import lesion, speckle, write_image

SIZE = (7, 5, 4)
OBLIQUE = nibabel.eulerangles.euler2mat(0.3, 0.2, 0.1) @ np.diag([0.5, 0.8, 2.0])
GRID = nibabel.affines.from_matvec(OBLIQUE, [3.0, -20.0, 100.0])
TURNS = [(axes, flips) for axes in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)]


def turned(values, affine, axes, flips):
    """The same label in the same place, written with other axes, by plain indexing."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        matrix[old, new] = flip
        matrix[old, 3] = values.shape[old] - 1 if flip < 0 else 0
    moved = np.transpose(values, axes)[tuple(slice(None, None, flip) for flip in flips)]
    return np.ascontiguousarray(moved), affine @ matrix


@pytest.mark.parametrize(("axes", "flips"), TURNS)
def test_every_turn_of_a_volume_is_turned_back(axes, flips):
    values = lesion(1, SIZE)
    moved, affine = turned(values, GRID, axes, flips)
    assert np.array_equal(on_grid_of(moved, affine, SIZE, GRID), values)


@pytest.mark.parametrize(("axes", "flips"), [turn for turn in TURNS if turn[0][2] == 2 and turn[1][2] == 1])
@pytest.mark.parametrize("frame", [PICTURE, np.eye(4)], ids=["itk", "unit"])
@pytest.mark.parametrize("spacing", [1.0, 0.3])
def test_every_turn_of_a_picture_is_turned_back(axes, flips, frame, spacing):
    values = lesion(1, SIZE[:2])
    moved, affine = turned(values[..., None], np.diag([spacing, spacing, 1, 1]) @ frame, axes, flips)
    assert np.array_equal(on_picture(moved[..., 0], affine, SIZE[:2]), values)


OTHERS = {
    "spacing": np.diag([2.0, 1, 1, 1]),
    "thickness": np.diag([1, 1, 1.5, 1]),
    "place": nibabel.affines.from_matvec(np.eye(3), [1, 0, 0]),
    "angle": nibabel.affines.from_matvec(nibabel.eulerangles.euler2mat(0.2), [0, 0, 0]),
    "nothing": np.zeros((4, 4)),
    "nan": np.eye(4) * np.nan,
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_another_grid_is_none(change):
    values = lesion(1, SIZE)
    assert on_grid_of(values, GRID @ change, SIZE, GRID) is None
    assert on_grid_of(values, GRID, SIZE, GRID) is values


def test_a_picture_has_no_place_but_axes():
    values = lesion(1, SIZE[:2])
    elsewhere = np.array([[-0.2, 0, 0, 7], [0, -0.2, 0, -9], [0, 0, 1, 3], [0, 0, 0, 1]])
    assert on_picture(values, elsewhere, SIZE[:2]) is values
    mirrored = np.diag([-1.0, 1, 1, 1]) @ elsewhere
    assert on_picture(values, mirrored, SIZE[:2]) is None
    assert on_picture(values, np.zeros((4, 4)), SIZE[:2]) is None


def nifti(path, values, affine):
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return str(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_a_saved_label_lies_on_its_image(tmp_path, suffix):
    """As any program may have written it: mirrored, and turned by a right angle."""
    affine = np.diag([0.1, 0.2, 1, 1])
    write_image(tmp_path / "study" / "a.nii.gz", speckle(1)[..., None])
    store, mask = StudyDatastore(tmp_path / "study"), lesion(1).astype(np.uint8)
    for flips, axes in itertools.product([(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1)], [(0, 1, 2), (1, 0, 2)]):
        moved, where = turned(mask[..., None], affine, axes, flips)
        store.save_label("a", nifti(tmp_path / "upload" / f"label{suffix}", moved, where), "final", {})
        assert np.array_equal(read_mask(store.get_label_uri("a", "final"))[0].numpy(), mask), (flips, axes)


def test_a_label_of_another_spacing_or_place_is_refused(tmp_path):
    write_image(tmp_path / "study" / "a.nii.gz", speckle(1)[..., None])
    write_image(tmp_path / "study" / "b.png", speckle(1))
    store, mask = StudyDatastore(tmp_path / "study"), lesion(1).astype(np.uint8)[..., None]
    for image, affine in (
        ("a", np.diag([0.2, 0.2, 1, 1])),
        ("a", np.diag([-0.1, 0.2, 1, 1])),
        ("a", nibabel.affines.from_matvec(np.diag([0.1, 0.2, 1]), [1, 0, 0])),
        ("b", np.diag([-1.0, 1, 1, 1])),
    ):
        with pytest.raises(HTTPException, match=f"400: The label of '{image}' is not at its image's position"):
            store.save_label(image, nifti(tmp_path / "upload" / "label.nii.gz", mask, affine), "final", {})
    assert not store.get_labeled_images()


def test_a_dicom_segmentation_lies_on_its_image_pixel_by_pixel(tmp_path):
    pytest.importorskip("highdicom")
    from tests.data.dicom_output.test_segmentation import write

    _, masks, file = write(tmp_path / "scan", PixelSpacing=[0.3, 0.2])
    (tmp_path / "study").mkdir()
    shutil.copy(tmp_path / "scan" / "scan.dcm", tmp_path / "study" / "scan.dcm")
    store = StudyDatastore(tmp_path / "study")
    store.save_label("scan", str(file), "final", {})
    assert np.array_equal(read_mask(store.get_label_uri("scan", "final")).numpy(), masks[0].numpy())
