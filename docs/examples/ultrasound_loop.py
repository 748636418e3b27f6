# SPDX-License-Identifier: Apache-2.0
"""
A synthetic ultrasound loop as a DICOM file, to try DICOM without images of patients.

    python docs/examples/ultrasound_loop.py loop.dcm [--frames 16] [--size 224]

The frames are the slices of a synthetic volume: a sweep over a lesion. It needs highdicom, which brings pydicom.
"""

import argparse
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from monai_kd.phantom import phantom_volume

LOOP = "1.2.840.10008.5.1.4.1.1.3.1"  # Ultrasound Multi-frame Image Storage
UNTOLD = (
    *("PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "Laterality", "PatientOrientation"),
)


def ultrasound_loop(frames: np.ndarray, spacing: tuple[float, float] = (0.2, 0.2), frame_time: float = 40) -> Dataset:
    """
    Args:
        frames: gray values, shape (T, H, W), uint8.
        spacing: mm from column to column and from row to row.
        frame_time: milliseconds from frame to frame.
    """
    loop = Dataset()
    loop.file_meta = FileMetaDataset()
    loop.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    loop.is_little_endian, loop.is_implicit_VR = True, False
    loop.SOPClassUID, loop.SOPInstanceUID = LOOP, generate_uid(prefix=None)
    loop.StudyInstanceUID, loop.SeriesInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    loop.PatientName, loop.PatientID = "Phantom^Breast", "phantom"
    for name in UNTOLD:
        setattr(loop, name, None)
    loop.Modality, loop.Manufacturer, loop.SeriesNumber, loop.InstanceNumber = "US", "monai_kd", 1, 1
    loop.ImageType, loop.LossyImageCompression = ["ORIGINAL", "PRIMARY"], "00"
    loop.NumberOfFrames, loop.Rows, loop.Columns = frames.shape
    loop.FrameTime, loop.FrameIncrementPointer = frame_time, 0x00181063
    loop.SamplesPerPixel, loop.PhotometricInterpretation, loop.PixelRepresentation = 1, "MONOCHROME2", 0
    loop.BitsAllocated = loop.BitsStored = 8
    loop.HighBit = 7
    loop.SequenceOfUltrasoundRegions = [calibration(*frames.shape[1:], *spacing)]
    loop.PixelData = frames.tobytes() + bytes(frames.size % 2)
    return loop


def calibration(rows: int, columns: int, x: float, y: float) -> Dataset:
    """The whole picture as one region of 2D tissue."""
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX, region.PhysicalDeltaY = x / 10, y / 10
    return region


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args()
    volume = phantom_volume(0, size=(arguments.size, arguments.size, arguments.frames))
    loop = ultrasound_loop(np.ascontiguousarray(volume.image.transpose(2, 1, 0)), volume.spacing[:2])
    loop.save_as(arguments.file, write_like_original=False)
