# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate
from monai.transforms import Compose, Flipd, Invertd, LoadImaged, Resized, SaveImaged, SpatialPadd

from monai_kd.data import LoadUltrasoundd
from tests.data.layout_fixtures import SIZE, lesion, make_plain, speckle, write_image


@pytest.fixture
def record(tmp_path):
    make_plain(tmp_path, count=1)
    return {"image": str(tmp_path / "images/case.1.png"), "label": str(tmp_path / "labels/case.1.png"), "id": "1"}


def test_image_and_mask(record):
    loaded = LoadUltrasoundd()(record)
    for key, expected in (("image", speckle(1)), ("label", lesion(1))):
        assert isinstance(loaded[key], MetaTensor)
        assert loaded[key].dtype == torch.float32
        np.testing.assert_array_equal(loaded[key].numpy(), expected[None])
    assert loaded["id"] == "1"
    assert isinstance(record["image"], str)


def test_image_alone(record):
    loaded = LoadUltrasoundd()({"image": record["image"]})
    assert set(loaded) == {"image"}
    assert set(LoadUltrasoundd(keys="image")(record)) == set(record)
    assert LoadUltrasoundd(keys="image")(record)["label"] == record["label"]


def test_mask_alone(record):
    np.testing.assert_array_equal(LoadUltrasoundd(keys="label")(record)["label"].numpy()[0], lesion(1))


def test_other_key_names(record):
    loaded = LoadUltrasoundd(keys=("us", "mask"), mask_keys="mask")({"us": record["image"], "mask": record["label"]})
    np.testing.assert_array_equal(loaded["mask"].numpy()[0], lesion(1))


def test_record_without_any_of_the_keys(record):
    with pytest.raises(ValueError, match=r"none of the keys \('image', 'label'\).*'us'"):
        LoadUltrasoundd()({"us": record["image"]})


def test_mask_of_another_size_names_both(record, tmp_path):
    write_image(tmp_path / "labels/case.1.png", lesion(1, (28, 40)))
    with pytest.raises(ValueError, match=r"labels.case\.1\.png is 28 × 40 pixels but .*images.case\.1\.png is 40 × 28"):
        LoadUltrasoundd()(record)


def test_tensor_is_that_of_monai(record):
    stock = LoadImaged("image", ensure_channel_first=True)(record)["image"]
    loaded = LoadUltrasoundd("image")(record)["image"]
    np.testing.assert_array_equal(loaded.numpy(), stock.numpy())
    assert loaded.spatial_ndim == stock.spatial_ndim == 2
    np.testing.assert_array_equal(loaded.affine, stock.affine)


def test_formats_collate_into_one_batch(tmp_path):
    suffixes = (".png", ".jpg", ".tif", ".nii.gz", ".nrrd", ".dcm")
    paths = [write_image(tmp_path / f"1{suffix}", speckle(1)) for suffix in suffixes]
    batch = list_data_collate([LoadUltrasoundd()({"image": path}) for path in paths])
    assert batch["image"].shape == (len(paths), 1, *SIZE)
    assert batch["image"].meta["filename_or_obj"] == [str(path) for path in paths]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz", ".nrrd", ".mha", ".dcm"])
@pytest.mark.parametrize("written", [".png", ".nii.gz", ".nrrd"])
def test_mask_is_written_back_unchanged(tmp_path, suffix, written):
    """Load, resize, invert and save, as a bundle's inference does with a prediction."""
    path = write_image(tmp_path / f"1{suffix}", lesion(1).astype(np.uint8) * 255)
    load = Compose([LoadUltrasoundd(keys="image", mask_keys="image"), Resized("image", (80, 56), mode="nearest")])
    data = load({"image": str(path)})
    data["pred"] = data["image"].clone()
    dtype = np.uint8
    data = Invertd("pred", load, orig_keys="image", nearest_interp=True)(data)
    save = SaveImaged(
        "pred",
        output_dir=tmp_path / "out",
        output_ext=written,
        output_dtype=dtype,
        resample=False,
        print_log=False,
        separate_folder=False,
    )
    save(data)
    back = LoadUltrasoundd(keys="label")({"label": str(tmp_path / "out" / f"1_trans{written}")})["label"]
    np.testing.assert_array_equal(back.numpy()[0], lesion(1))


def test_geometry_is_inverted(record):
    transforms = Compose([LoadUltrasoundd("image"), Flipd("image", 0), SpatialPadd("image", (64, 64))])
    data = transforms(record)
    data["pred"] = data["image"].clone()
    back = Invertd("pred", transforms, orig_keys="image")(data)["pred"]
    np.testing.assert_array_equal(back.numpy()[0], speckle(1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((8, 8), 4095, dtype=np.uint16), "holds values from 4095 to 4095"),
        (np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), "holds values from 0 to 1"),
        (np.full((8, 8), -3.0, dtype=np.float32), "holds values from -3"),
        (np.zeros((8, 8, 4), dtype=np.uint8), r"has the shape \(8, 8, 4\), but images of 2 axes"),
    ],
)
def test_what_a_pipeline_does_not_expect_is_refused(tmp_path, values, message):
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    LoadUltrasoundd("image")({"image": str(path)})
    with pytest.raises(ValueError, match=rf"a\.nii\.gz {message}"):
        LoadUltrasoundd("image", spatial_dims=2, eight_bit=True)({"image": str(path)})
