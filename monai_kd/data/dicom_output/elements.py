# SPDX-License-Identifier: Apache-2.0
"""Parts that all DICOM results have: the instance in the study of its image, references, codes."""

from __future__ import annotations

from typing import Any

from monai_kd.data.dicom_output.segments import Code
from monai_kd.data.dicom_output.source import highdicom
from monai_kd.version import __version__

__all__ = ["coded", "instance", "item", "new_uid", "reference"]

SERIES = 1000  # added to the number of the image's series
OF_THE_STUDY = (  # copied as they are, with the character set of their names
    *("SpecificCharacterSet", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)


def instance(
    source: Any, storage: str, modality: str, series: str, description: str, number: int = 1, weights: str = ""
) -> Any:
    """
    A new object in the study of its image, in another series, as a pydicom ``Dataset``.

    Args:
        source: header of the image.
        storage: UID of the storage class.
        modality: of the new series, such as "SEG".
        series: UID of the new series.
        description: of the new series.
        number: of the object in its series, from 1.
        weights: SHA-256 of the network's weights, which stands for the device's serial number.
    """
    highdicom()
    from highdicom.base import SOPClass
    from pydicom.uid import ExplicitVRLittleEndian

    made = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=series,
        series_number=SERIES + max(int(source.get("SeriesNumber") or 0), 0),
        sop_instance_uid=new_uid(),
        sop_class_uid=storage,
        instance_number=number,
        modality=modality,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=description,
        manufacturer="monai_kd",
        manufacturer_model_name="monai_kd",
        software_versions=__version__,
        device_serial_number=weights or None,
    )
    for name in OF_THE_STUDY:
        if name in source:
            made[name] = source[name]
    return made


def new_uid() -> str:
    """A UID that no other object has."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def item(**elements: Any) -> Any:
    """A ``Dataset`` of a few elements, by their keywords."""
    from pydicom import Dataset

    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def coded(code: Code) -> Any:
    """A code as an item of a code sequence."""
    return highdicom().sr.CodedConcept(*code)


def reference(source: Any, frame: int | None = None) -> Any:
    """A reference to an image, or to one of its frames, counted from 0."""
    made = item(ReferencedSOPClassUID=source.SOPClassUID, ReferencedSOPInstanceUID=source.SOPInstanceUID)
    if frame is not None:
        made.ReferencedFrameNumber = frame + 1
    return made
