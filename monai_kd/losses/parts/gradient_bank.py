# SPDX-License-Identifier: Apache-2.0
"""The last gradients of a training, and the few directions that they share."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["GradientBank"]


class GradientBank(nn.Module):
    r"""
    The last vectors that were pushed, and the subspace that holds most of their energy.

    .. math:: B = U S V^\top, \quad r = \min\Big\{k : \sum_{i \le k} S_i^2 \ge e \sum_i S_i^2\Big\}, \quad
              \Pi = U_r U_r^\top

    Everything is in buffers of fixed size, 2 · length · size numbers, so it is saved and resumed with the module that
    holds it; the matrix :math:`\Pi` of length² numbers is never made.

    Source: Fan et al., "Taxonomy adaptive cross-domain adaptation in medical imaging via optimization trajectory
    distillation", ICCV 2023, arXiv 2307.14709; sizes and renewal are those of the authors' code.

    Args:
        length: of each vector.
        size: how many vectors are kept. Defaults to None: 80 % of ``length``, at most ``most``.
        most: bound of the default size. Defaults to 300.
        energy: share of the squared singular values that the subspace keeps, above 0 and at most 1. Defaults to 0.98.
        refills: the subspace is computed anew each time the bank was filled so many times over. Defaults to 1.

    Raises:
        ValueError: When an argument is out of range.

    Example:
        >>> bank = GradientBank(length=3, size=2)
        >>> bank.push(torch.tensor([2.0, 0.0, 0.0]))
        >>> bank.ready
        False
        >>> bank.push(torch.tensor([0.0, 1.0, 0.0]))
        >>> bank.ready, bank.project(torch.tensor([5.0, 6.0, 7.0]))
        (True, tensor([5., 6., 0.]))
    """

    vectors: torch.Tensor
    basis: torch.Tensor
    pushed: torch.Tensor

    def __init__(
        self, length: int, size: int | None = None, most: int = 300, energy: float = 0.98, refills: int = 1
    ) -> None:
        super().__init__()
        self.size = max(1, min(int(0.8 * length), most)) if size is None else size
        if length < 1 or self.size < 1 or refills < 1 or most < 1:
            raise ValueError(
                f"A bank of {self.size} vectors of length {length}, renewed after {refills} refills, holds nothing. "
                "Give 1 or more of each."
            )
        if not 0 < energy <= 1:
            raise ValueError(f"energy={energy} must be above 0 and at most 1: the share of the gradients' energy kept.")
        self.energy, self.refills = energy, refills
        self.register_buffer("vectors", torch.zeros(length, self.size))
        self.register_buffer("basis", torch.zeros(length, self.size))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"length={len(self.vectors)}, size={self.size}, energy={self.energy}, refills={self.refills}"

    @property
    def ready(self) -> bool:
        """Whether there is a subspace yet."""
        return int(self.pushed) >= self.size * self.refills

    @torch.no_grad()
    def push(self, vector: torch.Tensor) -> None:
        """
        Add a vector in place of the oldest one, and renew the subspace when it is time.

        Args:
            vector: shape (length,).
        """
        self.vectors[:, int(self.pushed) % self.size] = vector.to(self.vectors)
        self.pushed += 1
        if int(self.pushed) % (self.size * self.refills) == 0:
            self._renew()

    def project(self, vector: torch.Tensor) -> torch.Tensor:
        """
        The vector's part in the subspace; zero while there is none.

        Args:
            vector: shape (length,).

        Returns:
            Shape (length,).
        """
        basis = self.basis.to(vector.dtype)
        return basis @ (basis.T @ vector)

    def _renew(self) -> None:
        left, singular, _ = torch.linalg.svd(self.vectors, full_matrices=False)
        energies = singular.square()
        # The first direction whose predecessors do not hold enough is the last to be kept.
        kept = (energies.cumsum(0) - energies < self.energy * energies.sum()) & (singular > 0)
        self.basis.zero_()
        self.basis[:, : left.shape[1]] = left * kept
