# SPDX-License-Identifier: Apache-2.0
"""A name that nnU-Net imports with its trainers of transformers; no network of the tests is made of it."""

from __future__ import annotations

from torch import nn

__all__ = ["EvaBlock"]


class EvaBlock(nn.Module):
    """Not used."""
