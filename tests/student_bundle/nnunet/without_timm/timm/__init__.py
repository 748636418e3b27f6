# SPDX-License-Identifier: Apache-2.0
"""Lets nnU-Net look through its trainers where there is no torchvision, which timm needs: one of them imports timm."""
