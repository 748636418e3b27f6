# SPDX-License-Identifier: Apache-2.0
"""Cine loops: each frame is an image, all frames are of one patient."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from monai.data import DataLoader, Dataset, decollate_batch
from monai.transforms import Compose, Invertd, Resized
from PIL import Image

from monai_kd.data import LoadUltrasoundd, SaveMaskd, check_dataset, list_images, random_splits, read_dataset
from monai_kd.data.image_files import dicom as dicom_module
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.dicom_fixtures import ULTRASOUND_VOLUME, write_dicom
from tests.data.layout_fixtures import SIZE, lesion, speckle, write_image

FRAMES = 4


def write_loop(path, values, **dicom):
    """(T, W, H) as a DICOM loop or a TIFF file of several pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.ascontiguousarray(np.swapaxes(values, 1, 2))
    if path.suffix == ".dcm":
        return write_dicom(path, stored, frames=len(stored), **dicom)
    pages = [Image.fromarray(page) for page in stored]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def frames(seed=0):
    return np.stack([speckle(10 * seed + frame) for frame in range(FRAMES)])


def masks(seed=0):
    return np.stack([lesion(10 * seed + frame) for frame in range(FRAMES)]).astype(np.uint8) * 255


@pytest.fixture(params=[".dcm", ".tif"])
def root(tmp_path, request):
    write_loop(tmp_path / "images" / f"loop{request.param}", frames())
    write_loop(tmp_path / "labels" / f"loop{request.param}", masks())
    write_image(tmp_path / "images" / "still.png", speckle(99))
    write_image(tmp_path / "labels" / "still.png", lesion(99))
    return tmp_path


def check_frames(records):
    assert [record["id"] for record in records] == [f"loop_frame{frame:03}" for frame in range(FRAMES)]
    for frame, record in enumerate(records):
        loaded = LoadUltrasoundd()(record)
        np.testing.assert_array_equal(loaded["image"].numpy()[0], frames()[frame])
        np.testing.assert_array_equal(loaded["label"].numpy()[0], masks()[frame] > 0)
        assert "frame" not in loaded


def test_loop_gives_a_record_for_each_frame(root):
    records = read_dataset(root)
    check_frames(records[:-1])
    assert {record["patient"] for record in records[:-1]} == {"loop"}
    assert records[-1]["id"] == records[-1]["patient"] == "still"
    assert "frame" not in records[-1]
    check_dataset(records)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".dcm"])
def test_masks_of_a_loop_may_be_a_volume(tmp_path, suffix):
    write_loop(tmp_path / "images" / "loop.dcm", frames())
    write_image(tmp_path / "labels" / f"loop{suffix}", np.moveaxis(masks(), 0, -1))
    check_frames(read_dataset(tmp_path))


def test_masks_of_some_frames(tmp_path, caplog):
    write_loop(tmp_path / "images" / "loop.dcm", frames())
    for frame, suffix in ((1, ".png"), (3, ".nii.gz")):
        write_image(tmp_path / "labels" / f"loop_frame00{frame}{suffix}", masks()[frame])
    with caplog.at_level(logging.INFO):
        records = read_dataset(tmp_path)
    assert [record["frame"] for record in records] == [1, 3]
    assert "loop: 2 of 4 frames have masks" in caplog.text
    for record in records:
        np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], masks()[record["frame"]] > 0)


def test_masks_that_do_not_fit_the_loop(tmp_path):
    write_loop(tmp_path / "images" / "loop.dcm", frames())
    with_three = write_loop(tmp_path / "labels" / "loop.dcm", masks()[:3])
    with pytest.raises(ValueError, match=r"labels.loop\.dcm has 3 frames but .*images.loop\.dcm has 4"):
        read_dataset(tmp_path)
    write_image(tmp_path / "labels" / "loop_frame001.png", masks()[1])
    with pytest.raises(ValueError, match=r"loop\.dcm and .*loop_frame001\.png are both masks of"):
        read_dataset(tmp_path)
    with_three.unlink()
    write_image(tmp_path / "labels" / "loop_frame007.png", masks()[1])
    with pytest.raises(ValueError, match=r"1 of 2 masks .* have no image: .*loop_frame007\.png"):
        read_dataset(tmp_path)


def test_loop_without_masks(tmp_path):
    write_loop(tmp_path / "images" / "loop.dcm", frames())
    (tmp_path / "labels").mkdir()
    with pytest.raises(ValueError, match=r"1 of 1 images .* have no mask: .*images.loop\.dcm"):
        read_dataset(tmp_path)


def test_frame_with_the_name_of_another_image(root):
    write_image(root / "images" / "loop_frame002.png", speckle(1))
    with pytest.raises(ValueError, match="1 frames of loops have the same names as images: loop_frame002"):
        list_images(root / "images")


def test_frames_never_leave_their_patient(tmp_path):
    for number in range(6):
        write_loop(tmp_path / "images" / f"{number}.dcm", frames(number), patient=f"P{number // 2}")
        write_loop(tmp_path / "labels" / f"{number}.dcm", masks(number))
    records = read_dataset(tmp_path)
    assert {record["patient"] for record in records} == {"P0", "P1", "P2"}
    for split in random_splits(records, content=check_dataset(records)):
        patients = [{record["patient"] for record in records if record["id"] in ids} for ids in split.values()]
        assert sorted(len(part) for part in patients) == [1, 1, 1]


@pytest.mark.parametrize("patient", ["ANON", "", "SITE7"])
def test_patient_id_that_tells_nothing(tmp_path, patient, caplog):
    for number in range(3):
        write_loop(tmp_path / f"{number}.dcm", frames(number), patient=patient)
        write_image(tmp_path / "labels" / f"{number}_frame000.png", masks(number)[0])
    (tmp_path / "images").mkdir()
    for path in tmp_path.glob("*.dcm"):
        path.rename(tmp_path / "images" / path.name)
    assert [record["patient"] for record in read_dataset(tmp_path)] == ["0", "1", "2"]
    assert ("same Patient ID" in caplog.text) == (patient == "SITE7")


def test_volumes_stay_volumes(tmp_path):
    volume = np.moveaxis(frames(), 0, -1)
    paths = [write_image(tmp_path / f"{number}{suffix}", volume) for number, suffix in enumerate((".nii", ".nrrd"))]
    paths.append(write_loop(tmp_path / "2.dcm", frames(), storage=ULTRASOUND_VOLUME))
    for record, path in zip(list_images(tmp_path), paths, strict=True):
        assert record == {"image": str(path), "id": path.stem}
        assert LoadUltrasoundd()(record)["image"].shape == (1, *SIZE, FRAMES)


@pytest.mark.parametrize("suffix", [".dcm", ".tif"])
def test_no_such_frame(tmp_path, suffix):
    path = write_loop(tmp_path / f"loop{suffix}", frames())
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=rf"loop{suffix} has the frames 0 to 3, but frame 4 was requested"):
            read(path, 4)
    with pytest.raises(ValueError, match=r"still\.png has the frames 0 to 0, but frame 2"):
        read_image(write_image(tmp_path / "still.png", speckle(1)), 2)


def test_loop_is_decoded_once_and_not_from_memory_when_it_changed(tmp_path, monkeypatch):
    decoded = []
    decode = dicom_module.itk_values
    monkeypatch.setattr(dicom_module, "itk_values", lambda path, reader: decoded.append(path) or decode(path, reader))
    path = write_loop(tmp_path / "loop.dcm", frames())
    check_dataset(list_images(path), workers=4)
    assert len(decoded) == 1
    write_loop(path, frames(5)[:3])
    np.testing.assert_array_equal(read_image(path, 2).numpy()[0], frames(5)[2])


@pytest.mark.parametrize("worker", [0, 2])
def test_one_mask_for_each_frame_is_written_in_its_geometry(root, tmp_path, worker):
    """A bundle's inference, with the image instead of the network's output."""
    out = tmp_path / "out"
    for path in (root / "images").iterdir():
        if path.name != "still.png":
            path.write_bytes((root / "labels" / path.name).read_bytes())
    load = Compose([LoadUltrasoundd("image"), Resized("image", (80, 56), mode="nearest")])
    records = list_images(root / "images")
    for batch in DataLoader(Dataset(records, load), batch_size=3, num_workers=worker):
        batch["pred"] = batch["image"].clone()
        for sample in decollate_batch(batch):
            sample = Invertd("pred", load, orig_keys="image", nearest_interp=True)(sample)
            SaveMaskd("pred", out)(sample)
    written = sorted(path.name for path in out.iterdir())
    assert [name.split(".")[0] for name in written] == [record["id"] for record in records]
    for frame, name in enumerate(written[:FRAMES]):
        np.testing.assert_array_equal(read_mask(out / name).numpy()[0], masks()[frame] > 0)
    # The masks fit the loop they came from.
    (root / "images" / "still.png").unlink()
    (root / "labels").rename(tmp_path / "former")
    (out / written[-1]).unlink()
    out.rename(root / "labels")
    check_frames_fit = check_dataset(read_dataset(root, "plain"))
    assert len(check_frames_fit) == FRAMES
