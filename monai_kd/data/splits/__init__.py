# SPDX-License-Identifier: Apache-2.0
"""Splits into training, validation and test images; no patient and no duplicate is in two parts."""
