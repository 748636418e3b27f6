# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's preprocessing as a MONAI transform that can be inverted; nnunetv2 itself is not needed."""
