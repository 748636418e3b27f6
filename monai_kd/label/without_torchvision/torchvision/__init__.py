# SPDX-License-Identifier: Apache-2.0
"""A stub with which MONAI Label can be imported without torchvision, which it uses to draw debugging pictures only."""
