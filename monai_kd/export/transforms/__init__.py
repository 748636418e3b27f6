# SPDX-License-Identifier: Apache-2.0
"""MONAI's transforms as parts of an exported graph."""
