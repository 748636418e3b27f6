# SPDX-License-Identifier: Apache-2.0
"""What DICOM files say before their pixels."""
