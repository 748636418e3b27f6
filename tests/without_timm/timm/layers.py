# SPDX-License-Identifier: Apache-2.0
"""Names that nnU-Net imports with its trainers of transformers; no network of the tests is made of them."""

from __future__ import annotations

from torch import nn
from torch.nn.init import trunc_normal_

__all__ = ["PatchDropout", "RotaryEmbeddingCat", "apply_keep_indices_nlc", "trunc_normal_"]


class PatchDropout(nn.Module):
    """Not used."""


class RotaryEmbeddingCat(nn.Module):
    """Not used."""


def apply_keep_indices_nlc(*arguments):
    """Not used."""
    raise NotImplementedError
