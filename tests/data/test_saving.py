# SPDX-License-Identifier: Apache-2.0
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from monai_kd.data import SaveMaskd, list_images, save_mask
from monai_kd.data.image_files import nrrd_mha
from monai_kd.data.image_files.reading import read_image
from tests.data.layout_fixtures import make_breast

AFFINE = np.array([[-0.1, 0, 0, 5], [0, 0.2, 0, 7], [0, 0, 1, 9], [0, 0, 0, 1.0]])


def write(path, shape=(20, 30)):
    values = (np.random.default_rng(0).random(shape) > 0.5).astype(np.uint8) * 200
    if path.suffix in (".nii", ".gz"):
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)
    elif path.suffix in (".nrrd", ".mha"):
        itk = pytest.importorskip("itk")
        image = itk.image_from_array(values.T.copy())
        image.SetSpacing([0.1, 0.3]), image.SetOrigin([3, 4])
        itk.imwrite(image, str(path))
    else:
        Image.fromarray(values.T).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.png", "a.png"),
        ("a.BMP", "a.png"),
        ("a b (1).tif", "a b (1).png"),
        ("a.1.nii.gz", "a.1.nii.gz"),
        ("a.nii", "a.nii"),
        ("a.nrrd", "a.nrrd"),
        ("a.mha", "a.nrrd"),
    ],
)
def test_mask_reads_back_on_its_images_grid(name, kept, tmp_path):
    image = read_image(write(tmp_path / name))
    path = save_mask(image, tmp_path / "masks")
    assert path.name == kept
    mask = read_image(path)
    assert torch.equal(mask.as_tensor() > 0, image.as_tensor() > 0)
    torch.testing.assert_close(mask.affine, image.affine)


def test_the_place_of_an_image_is_read_once_and_anew_when_its_file_changes(tmp_path, monkeypatch):
    """As for the frames of a loop, of which ITK reads the whole file each time."""
    opened = []
    monkeypatch.setattr(nrrd_mha, "_opened", lambda *given, own=nrrd_mha._opened: opened.append(given) or own(*given))
    image = read_image(write(tmp_path / "a.nrrd"))
    opened.clear()
    for folder in ("one", "two"):
        save_mask(image, tmp_path / folder)
    assert len(opened) == 1
    wider = read_image(write(tmp_path / "a.nrrd", (25, 30)))
    assert read_image(save_mask(wider, tmp_path / "three")).shape == (1, 25, 30)


def test_volume_keeps_shape_and_affine(tmp_path):
    image = read_image(write(tmp_path / "v.nii.gz", (4, 5, 6)))
    mask = nibabel.load(save_mask(image, tmp_path / "masks"))
    assert mask.shape == (4, 5, 6)
    np.testing.assert_allclose(mask.affine, AFFINE)


def test_unwritable_folder_is_refused(tmp_path):
    image = read_image(write(tmp_path / "a.png"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"Cannot write to the folder '.*file"):
        SaveMaskd("pred", tmp_path / "file" / "masks")({"pred": image})


def test_mask_never_overwrites_its_image(tmp_path):
    path = write(tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"a\.png' would overwrite the image"):
        save_mask(read_image(path), tmp_path)
    assert path.read_bytes() == before


def test_masks_beside_images_are_not_listed_as_images(tmp_path):
    make_breast(tmp_path)
    listed = list_images(tmp_path / "BrEaST-Lesions_USG-images_and_masks")
    assert [record["id"] for record in listed] == [record["id"] for record in list_images(tmp_path)]
    assert not any("tumor" in record["image"] for record in listed)


def test_images_are_listed_of_a_file_a_folder_and_a_data_set(tmp_path):
    (tmp_path / "set" / "images").mkdir(parents=True)
    one = write(tmp_path / "set" / "images" / "b.png")
    two = write(tmp_path / "set" / "images" / "a.nii.gz")
    assert list_images(one) == [{"image": str(one), "id": "b"}]
    both = [{"image": str(two), "id": "a"}, {"image": str(one), "id": "b"}]
    assert list_images(tmp_path / "set" / "images") == both
    assert list_images(tmp_path / "set") == both


def test_what_cannot_be_listed_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file or folder"):
        list_images(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match="in no known format"):
        list_images(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="layout"):
        list_images(tmp_path)
    write(tmp_path / "a.png"), write(tmp_path / "a.bmp")
    with pytest.raises(ValueError, match="more than one image"):
        list_images(tmp_path)
