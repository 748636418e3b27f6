# SPDX-License-Identifier: Apache-2.0
"""DICOM objects that refer to the image that they were made from: segmentations and secondary captures."""
