# SPDX-License-Identifier: Apache-2.0
"""Features of transformers as maps: axes change their places, and nothing is learned."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import nn

__all__ = ["ChannelsFirst", "TokensToMap"]


class TokensToMap(nn.Module):
    """
    Tokens of a vision transformer as a map, the row of tokens cut into the grid of patches.

    As ``student_adapter`` or ``teacher_adapter`` of a pathway it stands before the comparison, and before a teacher's
    feature is moved onto the student's view. Without weights.

    Args:
        grid: patches along each spatial axis, such as (14, 14) for an image of 224 pixels and patches of 16.
        extra_tokens: tokens before the patches' that stand for no place (class and register tokens); left out.

    Raises:
        ValueError: At the call, when the tokens do not fill the grid.

    Example:
        >>> TokensToMap(grid=(2, 3), extra_tokens=1)(torch.rand(4, 7, 16)).shape
        torch.Size([4, 16, 2, 3])
    """

    rearranges = True

    def __init__(self, grid: Sequence[int], extra_tokens: int = 0) -> None:
        super().__init__()
        self.grid, self.extra_tokens = tuple(grid), extra_tokens

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """
        Args:
            feature: shape (B, tokens, C).

        Returns:
            Shape (B, C, ...), with the axes of ``grid``.
        """
        if feature.ndim != 3 or feature.shape[1] != prod(self.grid) + self.extra_tokens:
            raise ValueError(
                f"TokensToMap got shape {tuple(feature.shape)}, expected (B, {prod(self.grid)} + {self.extra_tokens}, "
                f"C) for a grid of {self.grid}. Give the grid of patches, and how many tokens stand before them."
            )
        return feature[:, self.extra_tokens :].transpose(1, 2).reshape(len(feature), -1, *self.grid)


class ChannelsFirst(nn.Module):
    """
    A map whose channels are last, as inside Swin transformers, with channels in MONAI's place.

    As ``student_adapter`` or ``teacher_adapter`` of a pathway it stands before the comparison, and before a teacher's
    feature is moved onto the student's view. Without weights.

    Example:
        >>> ChannelsFirst()(torch.rand(4, 7, 7, 96)).shape
        torch.Size([4, 96, 7, 7])
    """

    rearranges = True

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """
        Args:
            feature: shape (B, H, W[, D], C).

        Returns:
            Shape (B, C, H, W[, D]).
        """
        return feature.movedim(-1, 1)
