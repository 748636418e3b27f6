# SPDX-License-Identifier: Apache-2.0
"""A study's images and labels as MONAI Label keeps them, and which image comes next."""
