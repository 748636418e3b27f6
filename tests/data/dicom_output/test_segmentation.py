# SPDX-License-Identifier: Apache-2.0
"""Segmentations refer to their image frame by frame, keep every pixel, and are read by others."""

from __future__ import annotations

import copy
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import torch

from monai_kd import __version__
from monai_kd.data import Segment, list_images
from monai_kd.data.dicom_output.image_segmentation import ImageSegmentation
from monai_kd.data.dicom_output.segments import LESION
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.reading import read_mask
from tests.data.dicom_output.sources import CT, PLACE, random_masks, write_image

hd = pytest.importorskip("highdicom")
DIGEST = "ab" * 32
CYST = Segment("cyst", LESION.category, ("367643001", "SCT", "Cyst"))


def write(folder, frames=1, segments=(LESION,), leave_out=(), **elements):
    """An image, its masks, and the segmentation of all frames but some."""
    image, masks = folder / "scan.dcm", random_masks(folder / "scan.dcm", frames, classes=len(segments))
    folder.mkdir(exist_ok=True)
    source = write_image(image, frames, **elements)
    made = ImageSegmentation(image, folder / "masks" / "scan.dcm", segments)
    for number, mask in enumerate(masks):
        if number not in leave_out:
            assert not made.is_complete
            made.add(mask.meta["name"], number, mask.numpy())
    assert made.is_complete != bool(leave_out)
    made.write(DIGEST, {"smooth_frames": 5})
    return source, masks, made.file


def by_highdicom(source, file, frames=1, segments=(1,)):
    found = hd.seg.segread(file)
    if frames == 1:
        return found.get_pixels_by_source_instance([source.SOPInstanceUID], segment_numbers=segments)
    numbers = range(1, frames + 1)
    return found.get_pixels_by_source_frame(source.SOPInstanceUID, list(numbers), segment_numbers=segments)


@pytest.mark.parametrize("frames", [1, 3, 300])
def test_every_pixel_is_read_back_by_all(frames, tmp_path):
    source, masks, file = write(tmp_path, frames)
    wanted = np.stack([mask.numpy()[0].T for mask in masks])
    assert np.array_equal(by_highdicom(source, file, frames)[..., 0], wanted)
    assert np.array_equal(np.atleast_3d(pydicom.dcmread(file).pixel_array).reshape(wanted.shape), wanted)
    own = read_mask(file)
    assert np.array_equal(own.numpy()[0].T.reshape(wanted.shape), wanted)
    assert read_header(file).is_loop == (frames > 1)
    if frames > 1:
        assert torch.equal(read_mask(file, 2).as_tensor(), masks[2].as_tensor().float())


def test_it_says_of_what_it_is_and_who_made_it(tmp_path):
    source, _, file = write(tmp_path, 3)
    made = pydicom.dcmread(file)
    for name in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert made[name].value == source[name].value
    assert made.SeriesInstanceUID != source.SeriesInstanceUID and made.Modality == "SEG"
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    for number, frame in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        (of,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert (of.ReferencedSOPClassUID, of.ReferencedSOPInstanceUID) == (source.SOPClassUID, source.SOPInstanceUID)
        assert of.ReferencedFrameNumber == number
    assert made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.2, 0.2]  # of the region
    (segment,) = made.SegmentSequence
    assert segment.SegmentLabel == "lesion" and segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmVersion == __version__ and DIGEST in algorithm.AlgorithmParameters
    assert "smooth_frames=5" in algorithm.AlgorithmParameters


def test_the_place_is_the_images(tmp_path):
    made = pydicom.dcmread(write(tmp_path, **PLACE, SliceThickness=2.0)[2])
    assert made.FrameOfReferenceUID == PLACE["FrameOfReferenceUID"]
    shared = made.SharedFunctionalGroupsSequence[0]
    assert shared.PlanePositionSequence[0].ImagePositionPatient == PLACE["ImagePositionPatient"]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == PLACE["ImageOrientationPatient"]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == PLACE["PixelSpacing"]
    assert shared.PixelMeasuresSequence[0].SliceThickness == 2


def test_regions_that_disagree_give_no_spacing(tmp_path):
    source = write_image(tmp_path / "a.dcm")
    one = source.SequenceOfUltrasoundRegions[0]
    other = copy.deepcopy(one)
    other.PhysicalDeltaX = 0.5
    made = pydicom.dcmread(write(tmp_path, SequenceOfUltrasoundRegions=[one, other])[2])
    assert "PixelMeasuresSequence" not in made.SharedFunctionalGroupsSequence[0]


def test_frames_that_failed_are_not_there(tmp_path):
    source, masks, file = write(tmp_path, 4, leave_out=(1,))
    found = hd.seg.segread(file)
    kept = found.get_pixels_by_source_frame(source.SOPInstanceUID, [1, 3, 4], segment_numbers=[1])[..., 0]
    assert np.array_equal(kept, np.stack([masks[k].numpy()[0].T for k in (0, 2, 3)]))
    assert found.NumberOfFrames == 3


def test_classes_of_another_student(tmp_path):
    source, masks, file = write(tmp_path, 3, (LESION, CYST))
    found = by_highdicom(source, file, 3, (1, 2))
    for number in (1, 2):
        assert np.array_equal(found[..., number - 1], np.stack([number == mask.numpy()[0].T for mask in masks]))
    with pytest.raises(ValueError, match=r"scan\.dcm is a DICOM Segmentation of 2 segments; a mask has one"):
        read_mask(file)
    made = ImageSegmentation(tmp_path / "scan.dcm", tmp_path / "one.dcm", (LESION,))
    with pytest.raises(ValueError, match=r"holds the class 2, but 1 class is described\. Describe each"):
        made.add("a", 0, masks[0].numpy())
    with pytest.raises(ValueError, match=r"has the shape .*, but its image is 7 × 5 pixels"):
        made.add("a", 0, masks[0].numpy()[:, :4])


@pytest.mark.parametrize("name", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_without_uids_is_refused(name, tmp_path):
    write_image(tmp_path / "a.dcm", **{name: ""})
    with pytest.raises(ValueError, match=rf"a\.dcm has no {name}, to which a DICOM result refers\. Export the image"):
        ImageSegmentation(tmp_path / "a.dcm", tmp_path / "b.dcm", (LESION,))


def test_a_ct_image_without_its_place_is_refused(tmp_path):
    write_image(tmp_path / "a.dcm", SOPClassUID=CT, **{**PLACE, "ImagePositionPatient": ""})
    with pytest.raises(ValueError, match=r"a\.dcm has no ImagePositionPatient, to which"):
        ImageSegmentation(tmp_path / "a.dcm", tmp_path / "b.dcm", (LESION,))


def test_only_an_earlier_segmentation_of_the_image_is_replaced(tmp_path):
    write(tmp_path)
    file = tmp_path / "masks" / "scan.dcm"
    before = pydicom.dcmread(file).SOPInstanceUID
    image = tmp_path / "scan.dcm"
    again = ImageSegmentation(image, file, (LESION,))
    again.add("scan", 0, random_masks(image)[0].numpy())
    again.write(DIGEST, {})
    assert pydicom.dcmread(file).SOPInstanceUID != before
    write_image(tmp_path / "other.dcm")
    (tmp_path / "text.dcm").write_text("no DICOM")
    for source, there in (("other.dcm", file), ("scan.dcm", image), ("scan.dcm", tmp_path / "text.dcm")):
        content = there.read_bytes()
        with pytest.raises(ValueError, match=r"exists, and is no segmentation of this image\. Choose another"):
            ImageSegmentation(tmp_path / source, there, (LESION,))
        assert there.read_bytes() == content


def test_segmentations_are_not_listed_as_images(tmp_path, caplog):
    write(tmp_path)
    shutil.copy(tmp_path / "masks" / "scan.dcm", tmp_path / "scan_mask.dcm")
    assert [record["id"] for record in list_images(tmp_path)] == ["scan"]
    assert "1 DICOM files hold no image and are left out" in caplog.text and "scan_mask" in caplog.text


def test_names_in_other_scripts_are_kept(tmp_path):
    name = "Müller^Jörg=山田^太郎"
    source, _, file = write(tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientSex="FEMALE")
    assert str(pydicom.dcmread(file).PatientName) == name == str(source.PatientName)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy of the package dicom3tools")
@pytest.mark.parametrize(("frames", "elements"), [(1, {}), (3, {}), (1, {**PLACE, "SliceThickness": 2.0})])
def test_the_validator_finds_no_error(frames, elements, tmp_path):
    file = write(tmp_path, frames, (LESION, CYST), **elements)[2]
    told = subprocess.run(["dciodvfy", file], check=False, capture_output=True, text=True).stderr
    assert told.splitlines()[-1] == "Segmentation" and "Error" not in told, told
