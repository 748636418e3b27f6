# SPDX-License-Identifier: Apache-2.0
"""
Data sets: layouts, loading, checks and splits.

==================== ==================================================================================
layout               what it reads
==================== ==================================================================================
``DatasetA``         Dataset_A (Yap et al. 2018): ``original/``, ``GT/``, ``DatasetB.xlsx``
``Breast``           BrEaST (Pawłowska et al. 2024): ``case001.png``, ``case001_tumor.png``, clinical table
``BusBra``           BUS-BRA (Gómez-Flores et al. 2024): ``Images/``, ``Masks/``, ``bus_data.csv``, folds
``Busi``             BUSI (Al-Dhabyani et al. 2020): ``benign/``, ``malignant/``, ``normal/``, several masks an image
``BusUclm``          BUS-UCLM (Vallez et al. 2025): ``images/``, colored ``masks/``, ``INFO.csv``
``NnUnet``           nnU-Net's raw data: ``imagesTr/<case>_0000.*``, ``labelsTr/<case>.*``, ``dataset.json``
``PlainFolders``     ``images/<id>.*``, ``labels/<id>.*`` in PNG, JPEG, BMP, TIFF, NIfTI, NRRD, MHA, DICOM; cine loops
``MonaiLabel``       a study of MONAI Label: ``<id>.*``, ``labels/final/<id>.*``; only the labelled images
==================== ==================================================================================

``read_dataset`` recognizes the layout and returns MONAI-style records. To add a layout, write one file with ``name``,
``missing`` and ``read`` (see :class:`Layout`) and one import line in ``layouts``.

=========================== ==================================================================================
then                        what it does
=========================== ==================================================================================
``check_dataset``           loads every pair once: bad files in one error, content hashes of the images
``inspect_dataset``         lists the contents of a folder and all its problems
``random_splits``           the paper's protocol: three random splits, 130 of 163 images for training
``hold_out``                one random split by fractions of training, validation and test images
``k_folds``                 stratified cross-validation
``official_folds``          the folds that BUS-BRA's authors published
``write_splits``            writes splits as one JSON file; ``read_splits`` checks it against the images
``choose_split``            all of this in one call: folder → ids of training, validation and test images
``BreastUltrasoundDataset`` those images, loaded and cached; with ``classes`` for classification
``label_folds``             folds of the labelled images; each teacher leaves out one (``leave_out``)
``class_weights``           loss weights that balance classes of different size
``PooledDataset``           training images and a pool of unlabelled ones, distinguished by ``has_label``
``UnlabelledDataset``       images without labels, for adaptation to another scanner or clinic
``download_dataset``        downloads a public data set from its publisher
``convert_dataset``         writes a data set in another layout: for nnU-Net, MONAI Label, …
``LoadUltrasoundd``         loads image and mask, of any format, in one orientation
``list_images``             lists the images to segment in a file, a folder or a data set
``SaveMaskd``               writes masks in the geometry of their images
``SaveOverlayd``            writes pictures of images with the contours of masks
``SaveSecondaryCaptured``   writes these pictures as DICOM
``RequireDicomSourced``     refuses an image to which DICOM cannot refer
``Segment``                 what a class of a mask means, in DICOM's codes
``AsLabelMapd``             converts masks to label maps for MONAI Label's clients
``ProbabilitySaver``        writes a table of class probabilities, for MONAI's ``ClassificationSaver``
``nnunet_cases``            lists the cases of nnU-Net's raw data and folds
``ThreadDataLoader``        MONAI's loader in a thread; its errors reach the run
``TolerantDataset``         images for inference; a damaged one does not stop the others
=========================== ==================================================================================

No patient and no duplicate image is ever in two parts of a split.
"""

from __future__ import annotations

from monai_kd.data.conversion import convert_dataset
from monai_kd.data.datasets.breast_ultrasound_dataset import BreastUltrasoundDataset
from monai_kd.data.datasets.choose_split import choose_split
from monai_kd.data.datasets.class_labels import class_weights
from monai_kd.data.datasets.label_map import AsLabelMapd
from monai_kd.data.datasets.nnunet_cases import nnunet_cases
from monai_kd.data.datasets.pooled_dataset import PooledDataset
from monai_kd.data.datasets.probability_saver import ProbabilitySaver
from monai_kd.data.datasets.save_overlay import SaveOverlayd
from monai_kd.data.datasets.thread_data_loader import ThreadDataLoader
from monai_kd.data.datasets.tolerant_dataset import TolerantDataset, collate_tolerant
from monai_kd.data.datasets.unlabelled_dataset import UnlabelledDataset
from monai_kd.data.dicom_output.save_secondary_capture import SaveSecondaryCaptured
from monai_kd.data.dicom_output.segments import Segment
from monai_kd.data.dicom_output.source import RequireDicomSourced
from monai_kd.data.download import download_dataset
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.image_files.saving import SaveMaskd, save_mask
from monai_kd.data.inspection import Inspection, inspect_dataset
from monai_kd.data.inspection.check_dataset import check_dataset
from monai_kd.data.layouts import LAYOUTS, read_dataset
from monai_kd.data.layouts.breast import Breast
from monai_kd.data.layouts.bus_bra import BusBra, read_official_folds
from monai_kd.data.layouts.bus_uclm import BusUclm
from monai_kd.data.layouts.busi import Busi
from monai_kd.data.layouts.dataset_a import DatasetA
from monai_kd.data.layouts.list_images import list_images
from monai_kd.data.layouts.monailabel import MonaiLabel
from monai_kd.data.layouts.nnunet import NnUnet
from monai_kd.data.layouts.plain import PlainFolders
from monai_kd.data.records.record import Layout, Record
from monai_kd.data.splits.groups import Split
from monai_kd.data.splits.label_folds import label_folds
from monai_kd.data.splits.make_splits import hold_out, k_folds, official_folds, random_splits
from monai_kd.data.splits.split_files import read_splits, write_splits

__all__ = [
    "LAYOUTS",
    "AsLabelMapd",
    "Breast",
    "BreastUltrasoundDataset",
    "BusBra",
    "BusUclm",
    "Busi",
    "DatasetA",
    "Inspection",
    "Layout",
    "LoadUltrasoundd",
    "MonaiLabel",
    "NnUnet",
    "PlainFolders",
    "PooledDataset",
    "ProbabilitySaver",
    "Record",
    "SaveMaskd",
    "SaveOverlayd",
    "RequireDicomSourced",
    "SaveSecondaryCaptured",
    "Segment",
    "Split",
    "ThreadDataLoader",
    "TolerantDataset",
    "UnlabelledDataset",
    "check_dataset",
    "choose_split",
    "class_weights",
    "collate_tolerant",
    "convert_dataset",
    "download_dataset",
    "hold_out",
    "inspect_dataset",
    "k_folds",
    "label_folds",
    "list_images",
    "nnunet_cases",
    "official_folds",
    "random_splits",
    "read_dataset",
    "read_official_folds",
    "read_splits",
    "save_mask",
    "write_splits",
]
