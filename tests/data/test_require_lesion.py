# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from monai.transforms import Compose
from PIL import Image

from monai_kd.data import BreastUltrasoundDataset, LoadUltrasoundd, PooledDataset, choose_split

PARTS = {"training": ["0", "1", "2"], "validation": ["3", "4"], "test": ["5"]}


def write(folder, empty=(), sixteen=()):
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for key in (key for keys in PARTS.values() for key in keys):
        gray = np.random.default_rng(int(key)).integers(0, 255, (12, 16), dtype=np.uint8)
        mask = np.zeros((12, 16), dtype=np.uint8)
        mask[4:8, 4 + int(key) : 9 + int(key)] = 0 if key in empty else 255
        image = Image.fromarray(gray.astype(np.uint16) * 257 if key in sixteen else gray)
        image.save(folder / "images" / f"{key}.png")
        Image.fromarray(mask).save(folder / "labels" / f"{key}.png")
    return folder


@pytest.mark.parametrize("section", ["training", "validation"])
@pytest.mark.parametrize("transform", [None, Compose([LoadUltrasoundd(eight_bit=True)]), [LoadUltrasoundd()]])
def test_a_part_without_a_lesion_is_refused_before_training(section, transform, tmp_path):
    write(tmp_path, empty=PARTS[section])
    with pytest.raises(ValueError, match=rf"{section} images of .*: none of the \d masks holds a lesion.*Move images"):
        BreastUltrasoundDataset(tmp_path, section, PARTS, transform, progress=False)


def test_so_is_a_list_of_empty_masks(tmp_path):
    write(tmp_path, empty=["0", "1"])
    data = [{name[:-1]: str(tmp_path / name / f"{key}.png") for name in ("images", "labels")} for key in "01"]
    with pytest.raises(ValueError, match="none of the 2 masks holds a lesion"):
        BreastUltrasoundDataset("nowhere", "validation", data=data)
    with pytest.raises(ValueError, match="none of the 2 masks holds a lesion"):
        PooledDataset("nowhere", write(tmp_path / "pool"), data=data)


def test_one_lesion_in_a_part_is_enough_and_a_test_part_needs_none(tmp_path):
    write(tmp_path, empty=["0", "1", "4", "5"])
    for section, ids in PARTS.items():
        dataset = BreastUltrasoundDataset(tmp_path, section, PARTS, progress=False)
        assert [sample["id"] for sample in dataset] == ids


def test_who_loads_no_masks_needs_no_lesion(tmp_path):
    write(tmp_path, empty=PARTS["training"])
    assert len(BreastUltrasoundDataset(tmp_path, "training", PARTS, LoadUltrasoundd("image"), progress=False)) == 3


def test_an_id_twice_in_a_part_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(ValueError, match=r"1 ids appear more than once in the split's part 'test': 5\."):
        BreastUltrasoundDataset(tmp_path, "test", {**PARTS, "test": ["5", "5"]})


@pytest.mark.parametrize("keys", ["image", ["image", "label"]])
def test_the_check_admits_what_the_pipeline_takes(keys, tmp_path):
    write(tmp_path, sixteen=["1", "5"])
    assert sorted(key for ids in choose_split(tmp_path).values() for key in ids) == sorted("012345")
    pipeline = Compose([LoadUltrasoundd(keys, eight_bit=True), LoadUltrasoundd()])
    with pytest.raises(ValueError, match=r"2 of 6 records cannot be used:\n  1: .*1\.png holds values.*\n  5: "):
        choose_split(tmp_path, transform=pipeline)


def test_images_of_three_axes_are_found_before_a_pipeline_of_two(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    write(tmp_path)
    for part in ("images", "labels"):
        (tmp_path / part / "3.png").unlink()
        volume = np.ones((8, 8, 3), dtype=np.uint8)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / part / "3.nii.gz")
    with pytest.raises(ValueError, match=r"1 of 6 records cannot be used:\n  3: .*images of 2 axes are expected"):
        choose_split(tmp_path, transform=[LoadUltrasoundd(spatial_dims=2)])
    choose_split(tmp_path, transform=[LoadUltrasoundd(spatial_dims=None)])


def test_a_pipeline_of_images_alone_is_not_stopped_by_masks(tmp_path):
    write(tmp_path)
    (tmp_path / "labels" / "2.png").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="1 of 6 records"):
        choose_split(tmp_path)
    choose_split(tmp_path, transform=LoadUltrasoundd("image"))
