# SPDX-License-Identifier: Apache-2.0
"""Data sets: layouts, loading, checks and splits.

==================== ==================================================================================
layout               what it reads
==================== ==================================================================================
``DatasetA``         Dataset_A (Yap et al. 2018): ``original/``, ``GT/``, ``DatasetB.xlsx``
``Breast``           BrEaST (Pawłowska et al. 2024): ``case001.png``, ``case001_tumor.png``, clinical table
``BusBra``           BUS-BRA (Gómez-Flores et al. 2024): ``Images/``, ``Masks/``, ``bus_data.csv``, folds
``PlainFolders``     ``images/<id>.*``, ``labels/<id>.*`` in PNG, JPEG, BMP, TIFF, NIfTI, NRRD, MHA, DICOM
==================== ==================================================================================

``read_dataset`` recognizes the layout and gives MONAI-style records. A further layout is one file with ``name``,
``missing`` and ``read`` (see ``records.Layout``) and one line in ``layouts.LAYOUTS``.
"""

from __future__ import annotations

from monai_kd.data.breast import Breast
from monai_kd.data.bus_bra import BusBra, read_official_folds
from monai_kd.data.dataset_a import DatasetA
from monai_kd.data.layouts import LAYOUTS, read_dataset
from monai_kd.data.plain import PlainFolders
from monai_kd.data.records import Layout, Record

__all__ = [
    "LAYOUTS",
    "Breast",
    "BusBra",
    "DatasetA",
    "Layout",
    "PlainFolders",
    "Record",
    "read_dataset",
    "read_official_folds",
]
