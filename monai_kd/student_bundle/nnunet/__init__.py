# SPDX-License-Identifier: Apache-2.0
"""A result folder of nnU-Net v2 as teacher: it is translated into a MONAI bundle, which ``distill`` takes as any."""
