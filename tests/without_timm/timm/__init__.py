# SPDX-License-Identifier: Apache-2.0
"""What LiteMedSAM and nnU-Net import of timm, for where there is no torchvision, which timm itself needs."""
