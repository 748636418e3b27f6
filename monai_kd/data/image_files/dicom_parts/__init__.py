# SPDX-License-Identifier: Apache-2.0
"""Headers of DICOM files and of their compressed streams."""
