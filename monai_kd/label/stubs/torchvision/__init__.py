# SPDX-License-Identifier: Apache-2.0
"""Stands in for torchvision, of which MONAI Label uses two functions that write pictures for debugging."""
