# SPDX-License-Identifier: Apache-2.0
"""A study's images and labels in MONAI Label's folder, scores, strategies, and the judgement of a new student."""
