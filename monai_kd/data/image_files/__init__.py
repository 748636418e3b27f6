# SPDX-License-Identifier: Apache-2.0
"""Image and mask files of every format: recognised, checked, read and written."""
