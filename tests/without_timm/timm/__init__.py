# SPDX-License-Identifier: Apache-2.0
"""The four names of timm that LiteMedSAM's encoder uses, for where there is no torchvision, which timm itself needs."""
