# SPDX-License-Identifier: Apache-2.0
"""Masks from images by a bundle's student, and masks from boxes."""
