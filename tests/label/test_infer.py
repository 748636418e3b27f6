# SPDX-License-Identifier: Apache-2.0
"""Answers of a tiny network: format, size, geometry, and the same mask as the bundle's own inference."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("monailabel")

import itk
import nibabel

from monai_kd.data.image_files.reading import read_image
from monai_kd.label.bundle import AppBundle
from monai_kd.label.infer import BundleInfer
from monai_kd.phantom import write_phantoms
from tests.bundles.conftest import run_bundle
from tests.data.dicom_fixtures import write_dicom
from tests.label.apps import TINY, tiny_app

SIZE = (50, 40)  # W, H


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return AppBundle(tiny_app(tmp_path_factory.mktemp("app")) / "bundle")


@pytest.fixture(scope="module")
def student(bundle):
    return BundleInfer(bundle, ["inference"], "")


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A gray picture, not square, in which no two quadrants are alike."""
    folder = tmp_path_factory.mktemp("pictures")
    write_phantoms(folder, count=1, seed=3)
    phantom = Image.open(next((folder / "original").iterdir())).resize(SIZE)
    return np.array(phantom)  # (H, W)


def write(folder, name, picture):
    path = folder / name
    if path.suffix == ".dcm":
        rgb = np.stack([picture] * 3, -1)
        write_dicom(path, *((rgb, "RGB") if "rgb" in name else (picture,)))
    elif name.endswith((".nii.gz", ".nii")):
        nibabel.save(nibabel.Nifti1Image(picture.T[..., None], np.diag([0.1, 0.2, 1, 1])), path)
    elif path.suffix == ".nrrd":
        image = itk.image_from_array(np.ascontiguousarray(picture))
        image.SetSpacing([0.1, 0.2])
        itk.imwrite(image, str(path))
    else:
        Image.fromarray(picture if "rgb" not in name else np.stack([picture] * 3, -1)).save(path)
    return path


def answer(task, path, **asked):
    file, params = task({"image": str(path), "device": "cpu", **asked})
    return Path(file), params


FORMATS = {
    "gray.png": ".png", "rgb.png": ".png", "gray.bmp": ".png", "gray.tif": ".png", "gray.nii.gz": ".nii.gz",
    "gray.nii": ".nii", "gray.nrrd": ".nrrd", "gray.dcm": ".nrrd", "rgb.dcm": ".nrrd",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_answered_on_its_own_grid(student, picture, tmp_path, name):
    image = write(tmp_path, name, picture)
    reference, _ = answer(student, write(tmp_path, "reference.png", picture))
    file, params = answer(student, image)
    assert file.name.endswith(FORMATS[name]) and params["format"] == FORMATS[name]
    mask, expected = read_image(file), read_image(reference)
    assert mask.shape == read_image(image).shape == (1, *SIZE)
    # The same picture, the same mask, whatever the file; and the geometry is the image's.
    assert torch.equal(mask > 0, expected > 0) and 0 < (mask > 0).float().mean() < 1
    if file.suffix != ".png":
        assert np.allclose(mask.affine, read_image(image).affine, atol=1e-6)
        assert set(mask.unique().tolist()) <= {0.0, 1.0}


def test_jpeg(student, picture, tmp_path):
    """A JPEG's pixels differ from the PNG's, but its mask also has whole pixels."""
    image = tmp_path / "gray.jpg"
    Image.fromarray(picture).save(image, quality=95)
    file, params = answer(student, image)
    assert Image.open(file).size == SIZE and set(np.unique(Image.open(file))) <= {0, 255} and not params["empty"]
    assert (
        np.mean(
            np.array(Image.open(file)) == np.array(Image.open(answer(student, write(tmp_path, "a.png", picture))[0]))
        )
        > 0.9
    )


def test_an_answer_without_a_lesion(student, picture, bundle, tmp_path):
    kept = bundle.student.read_bytes()
    nothing = torch.load(bundle.student, weights_only=True)
    nothing["model"]["head.bias"] = torch.tensor([100.0, 0.0])
    torch.save(nothing, tmp_path / "nothing.pt")
    (tmp_path / "nothing.pt").replace(bundle.student)
    file, params = answer(student, write(tmp_path, "gray.png", picture), largest_component=True)
    bundle.student.write_bytes(kept)
    assert params["empty"] and not np.array(Image.open(file)).any()


def test_the_mask_is_that_of_the_bundles_inference(bundle, student, picture, tmp_path):
    image = write(tmp_path, "gray.png", picture)
    settings = {**TINY, "checkpoint": str(bundle.student), "dataset_dir": str(image)}
    run_bundle("inference", output_dir=str(tmp_path / "out"), **settings)
    assert np.array_equal(
        np.array(Image.open(tmp_path / "out" / "gray.png")), np.array(Image.open(answer(student, image)[0]))
    )


def test_3d_slicer_gets_nrrd_where_it_puts_the_picture(student, picture, tmp_path):
    # Slicer reads a picture with ITK: unit spacing, origin 0, first axis to the left, second to the back.
    asked = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False}
    mask = itk.imread(str(answer(student, write(tmp_path, "gray.png", picture), **asked)[0]))
    assert tuple(itk.size(mask))[:2] == SIZE
    assert np.allclose(itk.array_from_matrix(mask.GetDirection()), np.eye(mask.GetImageDimension()))
    assert list(mask.GetOrigin()) == [0.0] * mask.GetImageDimension() and set(mask.GetSpacing()) == {1.0}
    assert itk.array_from_image(mask).dtype == np.uint8


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii.gz"])
def test_a_probability_is_above_one_half_where_the_mask_is(student, picture, tmp_path, suffix):
    image = write(tmp_path, "gray.png", picture)
    mask = read_image(answer(student, image)[0]) > 0
    probability = read_image(answer(student, image, probability=True, result_extension=suffix)[0])
    probability = probability / (255 if suffix == ".png" else 1)
    assert probability.min() >= 0 and probability.max() <= 1 and len(probability.unique()) > 10
    sure = (probability - 0.5).abs() > 1 / 255
    assert torch.equal(mask[sure], (probability > 0.5)[sure])


def test_the_largest_component_alone(student, tmp_path):
    from scipy.ndimage import label

    noise = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    image = write(tmp_path, "noise.png", noise)
    whole, largest = (read_image(answer(student, image, largest_component=c)[0])[0].numpy() > 0 for c in (False, True))
    parts, count = label(whole, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    assert count > 1 and largest.sum() == sizes.max() and not (largest & ~whole).any()


def test_the_teacher_is_another_model(bundle, student, picture, tmp_path):
    image = write(tmp_path, "gray.png", picture)
    teacher = BundleInfer(bundle, ["inference", "teacher"], "")
    maps = [task.probability(str(image)) for task in (student, teacher)]
    assert maps[0].shape == maps[1].shape == SIZE and not torch.allclose(*maps)


def test_new_weights_are_served_at_once(student, bundle, picture, tmp_path):
    image = str(write(tmp_path, "gray.png", picture))
    before = student.probability(image)
    kept = bundle.student.read_bytes()
    changed = torch.load(bundle.student, weights_only=True)
    changed["model"] = {key: value * 2 for key, value in changed["model"].items()}
    torch.save(changed, tmp_path / "new.pt")
    (tmp_path / "new.pt").replace(bundle.student)
    assert not torch.allclose(student.probability(image), before)
    bundle.student.write_bytes(kept)
    assert torch.equal(student.probability(image), before)


def test_bad_input_names_its_cause(student, bundle, picture, tmp_path):
    with pytest.raises(ValueError, match=re.escape("No answer in the format '/../x'. Set result_extension to one of")):
        answer(student, write(tmp_path, "gray.png", picture), result_extension="/../x")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"text\.png"):
        answer(student, tmp_path / "text.png")
    kept = bundle.student.read_bytes()
    bundle.student.write_bytes(bundle.teacher.read_bytes())
    with pytest.raises(ValueError, match="holds the weights of another network"):
        answer(student, tmp_path / "gray.png")
    bundle.student.unlink()
    assert not student.is_valid()
    with pytest.raises(FileNotFoundError, match="No checkpoint at"):
        answer(student, tmp_path / "gray.png")
    bundle.student.write_bytes(kept)
