# SPDX-License-Identifier: Apache-2.0
"""As timm's, in evaluation."""

from __future__ import annotations

from torch import nn
from torch.nn.init import trunc_normal_

__all__ = ["DropPath", "to_2tuple", "trunc_normal_"]


class DropPath(nn.Module):
    """Leaves out a path by chance in training; LiteMedSAM is built without."""

    def __init__(self, drop_prob=0.0):
        super().__init__()
        assert drop_prob == 0.0
        self.drop_prob = drop_prob

    def forward(self, x):
        return x


def to_2tuple(value):
    """A pair of one number."""
    return value if isinstance(value, tuple) else (value, value)
