# SPDX-License-Identifier: Apache-2.0
"""Lets MONAI Label be imported without torchvision, of which it uses two functions that draw pictures for debugging."""
