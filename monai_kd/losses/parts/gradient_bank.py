# SPDX-License-Identifier: Apache-2.0
"""The last gradients of a training, and the subspace that most of them lie in."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["GradientBank"]


class GradientBank(nn.Module):
    r"""
    The last vectors that were pushed, and the subspace that holds most of their energy (squared singular values).

    .. math:: B = U S V^\top, \quad r = \min\Big\{k : \sum_{i \le k} S_i^2 \ge e \sum_i S_i^2\Big\}, \quad
              \Pi = U_r U_r^\top

    All state is in buffers of fixed size, 2 · length · size numbers, so it is saved and resumed with the module that
    holds it. The matrix :math:`\Pi` of length² numbers is never built.

    Source: Fan et al., "Taxonomy adaptive cross-domain adaptation in medical imaging via optimization trajectory
    distillation", ICCV 2023, arXiv 2307.14709; sizes and refills are those of the authors' code.

    Args:
        length: numbers in a vector.
        size: vectors kept. Defaults to None: 80 % of ``length``, at most ``most``.
        most: limit of the default size. Defaults to 300.
        energy: share of the squared singular values that the subspace keeps, above 0 and at most 1. Defaults to 0.98.
        refills: the subspace is computed again after ``refills`` · ``size`` pushes. Defaults to 1.

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
                f"length={length}, size={self.size}, most={most} and refills={refills} make a bank that holds nothing. "
                "Give 1 or more of each."
            )
        if not 0 < energy <= 1:
            raise ValueError(f"energy={energy} must be above 0 and at most 1: it is the share of energy to keep.")
        self.energy, self.refills = energy, refills
        self.register_buffer("vectors", torch.zeros(length, self.size))
        self.register_buffer("basis", torch.zeros(length, self.size))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def extra_repr(self) -> str:
        return f"length={len(self.vectors)}, size={self.size}, energy={self.energy}, refills={self.refills}"

    @property
    def ready(self) -> bool:
        """Whether the subspace has been computed."""
        return int(self.pushed) >= self.size * self.refills

    @torch.no_grad()
    def push(self, vector: torch.Tensor) -> None:
        """
        Replace the oldest vector by ``vector`` of shape (length,), and compute the subspace again when it is time.
        """
        self.vectors[:, int(self.pushed) % self.size] = vector.to(self.vectors)
        self.pushed += 1
        if int(self.pushed) % (self.size * self.refills) == 0:
            self._renew()

    def project(self, vector: torch.Tensor) -> torch.Tensor:
        """Projection of ``vector``, shape (length,), onto the subspace; zero before :attr:`ready`."""
        basis = self.basis.to(vector.dtype)
        return basis @ (basis.T @ vector)

    def _renew(self) -> None:
        left, singular, _ = torch.linalg.svd(self.vectors, full_matrices=False)
        energies = singular.square()
        # Keep a direction while the larger ones do not hold enough energy.
        kept = (energies.cumsum(0) - energies < self.energy * energies.sum()) & (singular > 0)
        self.basis.zero_()
        self.basis[:, : left.shape[1]] = left * kept
