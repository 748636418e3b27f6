# SPDX-License-Identifier: Apache-2.0
"""A mask lies where its image's file lies: the same axes, sizes, origin, spacing and direction."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from monai.transforms import Compose, Invertd, Resized

from monai_kd.data import LoadUltrasoundd, SaveMaskd, save_mask
from monai_kd.data.image_files.reading import read_image
from monai_kd.data.image_files.saving import write_image
from tests.data.dicom_fixtures import write_dicom
from tests.data.layout_fixtures import SIZE, speckle

itk = pytest.importorskip("itk")

C, S = 0.8, 0.6
DIRECTIONS = {
    "axial": np.eye(3),
    "mirrored": np.diag([-1.0, 1, 1]),
    "upside down": np.diag([1.0, -1, -1]),
    "turned": np.array([[C, -S, 0], [S, C, 0], [0, 0, 1.0]]),
    "oblique": np.array([[C, -S * C, S * S], [S, C * C, -C * S], [0, S, C]]),
    "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
SPACING, ORIGIN = np.array([0.1, 0.2, 1.5]), np.array([5.0, -7, 3])
SIZES = [(*SIZE, 1), (*SIZE, 4)]


def write(path, direction, size):
    """An image at z = 3 and of a direction, in NIfTI's or in ITK's coordinates."""
    values = speckle(1, size)
    if ".nii" in path.name:
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = direction * SPACING, ORIGIN
        image = nibabel.Nifti1Image(values, affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
        return path
    image = itk.image_view_from_array(np.ascontiguousarray(values.T))
    image.SetSpacing(SPACING[: len(size)].tolist())
    image.SetOrigin(ORIGIN[: len(size)].tolist())
    image.SetDirection(itk.matrix_from_array(direction[: len(size), : len(size)]))
    itk.imwrite(image, str(path))
    return path


def place(path):
    """The length of each axis, and the affine from pixels to millimeters."""
    if ".nii" in path.name:
        image = nibabel.load(path)
        return [
            image.shape,
            image.affine,
            image.header["sform_code"],
            image.header["qform_code"],
            image.header["pixdim"],
        ]
    image = itk.imread(str(path))
    axes = [image.GetOrigin(), image.GetSpacing(), itk.array_from_matrix(image.GetDirection())]
    return [tuple(itk.size(image)), *map(np.asarray, axes)]


def assert_same_place(mask, image):
    found, expected = place(mask), place(image)
    assert found[0] == expected[0]
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def inverted(path, folder):
    """The mask that the bundle writes, resized to the network's size and back."""
    dims = read_image(path).ndim - 1
    preprocessing = Compose([LoadUltrasoundd("image"), Resized("image", (16,) * dims, mode="nearest")])
    sample = preprocessing({"image": str(path), "id": "1"})
    sample["pred"] = (sample["image"] > 128).float()
    back = Compose([Invertd("pred", preprocessing, orig_keys="image"), SaveMaskd("pred", folder)])
    back(sample)
    (mask,) = folder.iterdir()
    return mask


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_mask_has_the_axes_and_the_place_of_its_file(tmp_path, suffix, direction, size):
    path = write(tmp_path / f"1{suffix}", DIRECTIONS[direction], size)
    mask = save_mask(read_image(path) > 128, tmp_path / "masks")
    assert_same_place(mask, path)
    np.testing.assert_array_equal(read_image(mask).numpy(), read_image(path).numpy() > 128)
    assert_same_place(inverted(path, tmp_path / "inverted"), path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_two_axes_stay_two(tmp_path, suffix):
    path = write(tmp_path / f"1{suffix}", DIRECTIONS["turned"], SIZE)
    assert_same_place(inverted(path, tmp_path / "masks"), path)
    assert len(place(path)[0]) == 2


@pytest.mark.parametrize("direction", ["oblique", "sagittal"])
def test_image_without_its_file_keeps_its_affine(tmp_path, direction):
    for suffix in (".nii.gz", ".nrrd"):
        path = write(tmp_path / f"1{suffix}", DIRECTIONS[direction], (*SIZE, 1))
        image = read_image(path)
        written = tmp_path / f"2{suffix}"
        write_image((image.numpy()[0] > 128).astype(np.uint8)[..., None], image.affine, written)
        np.testing.assert_allclose(place(written)[1], place(path)[1], atol=1e-5)
        assert place(written)[0] == (*SIZE, 1)


def test_dicom_and_a_frame_of_its_loop(tmp_path):
    still = write_dicom(tmp_path / "1.dcm", speckle(1).T)
    mask = save_mask(read_image(still) > 128, tmp_path / "masks")
    assert_same_place(mask, still)
    loop = write_dicom(tmp_path / "2.dcm", np.stack([speckle(seed).T for seed in range(3)]), frames=3)
    frame = save_mask(read_image(loop, frame=2) > 128, tmp_path / "masks")
    assert frame.name == "2_frame002.nrrd"
    assert place(frame)[0] == (*SIZE, 1)


def test_nothing_of_the_images_own_notes_goes_into_the_mask(tmp_path):
    image = nibabel.Nifti1Image(speckle(1, (*SIZE, 1)), np.eye(4))
    image.header["descrip"] = b"Jane Doe"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"Jane Doe"))
    nibabel.save(image, tmp_path / "1.nii")
    mask = save_mask(read_image(tmp_path / "1.nii") > 128, tmp_path / "masks")
    assert b"Jane Doe" not in mask.read_bytes()


@pytest.mark.parametrize("axes", ["(0,0.1,0) (0,0,-0.2)", "(0,0.1,0) (0,0,0.2) none"])
def test_plane_that_itk_cannot_place_is_refused_in_one_sentence(tmp_path, axes):
    count = axes.count(")") + axes.count("none")
    header = f"NRRD0005\ntype: uint8\ndimension: {count}\nspace: left-posterior-superior\n"
    header += f"sizes: 40 28{' 1' * (count - 2)}\nspace directions: {axes}\nspace origin: (5,3,9)\nencoding: raw\n\n"
    (tmp_path / "1.nrrd").write_bytes(header.encode() + bytes(40 * 28))
    with pytest.raises(ValueError, match=r"1\.nrrd cannot be decoded \(.*\)\. It is damaged or") as error:
        read_image(tmp_path / "1.nrrd")
    assert "0x" not in str(error.value) and "\n" not in str(error.value)


def write_pair(folder, suffix, mask_suffix, flip=(), exchange=None, spacing=1.0, move=0.0, size=(*SIZE, 1)):
    """An image, and its brightest part as a mask whose file has other axes, spacing or origin."""
    image = write(folder / f"image{suffix}", DIRECTIONS["turned"], size)
    values, affine = read_image(image).numpy()[0].reshape(size), read_image(image).affine.numpy()
    mask, there = (values > 128).astype(np.uint8), affine.copy()
    for axis in flip:
        mask = np.flip(mask, axis)
        there[:3, 3] += there[:3, axis] * (size[axis] - 1)
        there[:3, axis] *= -1
    if exchange:
        mask, there = np.swapaxes(mask, *exchange), there.copy()
        there[:, list(exchange)] = there[:, list(exchange[::-1])]
    there[:3, :3] *= spacing
    there[:3, 3] += move
    path = folder / f"mask{mask_suffix}"
    write_image(np.ascontiguousarray(mask), there, path)
    return {"image": str(image), "label": str(path)}, values > 128


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("formats", [(".nii.gz", ".nii.gz"), (".nrrd", ".mha"), (".nii.gz", ".nrrd"), (".mha", ".nii")])
@pytest.mark.parametrize("turn", [{}, {"flip": (0,)}, {"flip": (0, 1)}, {"exchange": (0, 1)}], ids=str)
def test_a_mask_that_is_turned_in_its_file_lies_on_its_image(tmp_path, formats, turn, size):
    record, expected = write_pair(tmp_path, *formats, **turn, size=size)
    loaded = LoadUltrasoundd()(record)
    np.testing.assert_array_equal(loaded["label"].numpy()[0].reshape(expected.shape), expected)
    np.testing.assert_allclose(loaded["label"].affine, loaded["image"].affine, atol=1e-4)
    assert loaded["label"].meta["filename_or_obj"] == record["label"]


def test_masks_of_one_image_are_joined_where_they_lie(tmp_path):
    (tmp_path / "other").mkdir()
    record, expected = write_pair(tmp_path, ".nii", ".nii")
    other, _ = write_pair(tmp_path / "other", ".nii", ".nii", flip=(0,))
    loaded = LoadUltrasoundd()({"image": record["image"], "label": [record["label"], other["label"]]})
    np.testing.assert_array_equal(loaded["label"].numpy()[0], expected[..., 0])


@pytest.mark.parametrize("wrong", [{"spacing": 1.2}, {"move": 0.5}], ids=str)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_mask_that_lies_elsewhere_is_refused(tmp_path, suffix, wrong):
    record, _ = write_pair(tmp_path, suffix, suffix, **wrong)
    with pytest.raises(ValueError, match=r"mask\..* lies elsewhere than .*image\..*another spacing, angle or origin"):
        LoadUltrasoundd()(record)


def test_a_mask_without_a_place_is_taken_as_it_is(tmp_path):
    record, expected = write_pair(tmp_path, ".nii", ".nii")
    for there in (np.eye(4), np.diag([-1.0, -1, 1, 1])):
        write_image(expected.astype(np.uint8), there, record["label"])
        np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], expected[..., 0])
