# SPDX-License-Identifier: Apache-2.0
"""A memory of vectors by class, older ones replaced by newer ones."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ClassQueue"]


class ClassQueue(nn.Module):
    """
    The last vectors of each class.

    Everything is in buffers, so it is saved and resumed with the module that holds it. Nothing depends on the values
    by Python control flow: it compiles into one graph.

    Args:
        num_classes: how many queues.
        channels: of each vector.
        size: how many vectors of each class are kept.

    Raises:
        ValueError: When ``size`` or ``channels`` is below 1.

    Example:
        >>> queue = ClassQueue(num_classes=2, channels=1, size=3)
        >>> queue.push(torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]), torch.tensor([[True, True], [False, True]]))
        >>> queue.filled
        tensor([2, 1])
        >>> vectors, valid = queue.draw(3)
        >>> vectors[valid].flatten()
        tensor([1., 2., 4.])
    """

    vectors: torch.Tensor
    pushed: torch.Tensor

    def __init__(self, num_classes: int, channels: int, size: int) -> None:
        super().__init__()
        if channels < 1 or size < 1:
            raise ValueError(f"A queue of {size} vectors of {channels} channels holds nothing. Give 1 or more of each.")
        self.size = size
        self.register_buffer("vectors", torch.zeros(num_classes, size, channels))
        self.register_buffer("pushed", torch.zeros(num_classes, dtype=torch.long))

    @property
    def filled(self) -> torch.Tensor:
        """How many vectors of each class there are."""
        return self.pushed.clamp_max(self.size)

    @torch.no_grad()
    def push(self, vectors: torch.Tensor, valid: torch.Tensor) -> None:
        """
        Add vectors, in place of the oldest ones where a class is full.

        Args:
            vectors: shape (classes, n, channels).
            valid: booleans of shape (classes, n); others are not added. Of more than ``size``, the first are.
        """
        # The valid ones come first and take the next places; the others take what follows, and leave it as it was.
        order = valid.long().argsort(dim=1, descending=True, stable=True)[:, : self.size]
        slots = (self.pushed.unsqueeze(1) + torch.arange(order.shape[1], device=order.device)) % self.size
        chosen = valid.gather(1, order).unsqueeze(2)
        new = vectors.to(self.vectors.dtype).gather(1, self._index(order))
        old = self.vectors.gather(1, self._index(slots))
        self.vectors.scatter_(1, self._index(slots), torch.where(chosen, new, old))
        self.pushed.add_(chosen.sum((1, 2)))

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Different vectors of each class at random, drawn with torch's global generator; all where ``count`` allows.

        Args:
            count: how many of each class, at most.

        Returns:
            A copy of shape (classes, n, channels), and booleans of shape (classes, n), False where a class has fewer.
        """
        present = torch.arange(self.size, device=self.pushed.device) < self.filled.unsqueeze(1)
        if count >= self.size:
            return self.vectors.clone(), present
        index = (torch.rand(present.shape, device=present.device) + present).topk(count, dim=1).indices
        return self.vectors.gather(1, self._index(index)), present.gather(1, index)

    def _index(self, slots: torch.Tensor) -> torch.Tensor:
        return slots.unsqueeze(2).expand(-1, -1, self.vectors.shape[2])
