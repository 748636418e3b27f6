# SPDX-License-Identifier: Apache-2.0
"""A queue of vectors for each class."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ClassQueue"]


class ClassQueue(nn.Module):
    """
    The newest ``size`` vectors of each class.

    All state is in buffers, so it is saved and resumed with the module that holds it. No Python branch depends on their
    values, so the queue compiles into one graph.

    Args:
        num_classes: number of queues.
        channels: length of each vector, 1 or more.
        size: vectors kept for each class, 1 or more.

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
            raise ValueError(
                f"size={size} and channels={channels} make a queue that holds nothing. Give 1 or more of each."
            )
        self.size = size
        self.register_buffer("vectors", torch.zeros(num_classes, size, channels))
        self.register_buffer("pushed", torch.zeros(num_classes, dtype=torch.long))

    @property
    def filled(self) -> torch.Tensor:
        """Number of vectors of each class, shape (classes,)."""
        return self.pushed.clamp_max(self.size)

    @torch.no_grad()
    def push(self, vectors: torch.Tensor, valid: torch.Tensor) -> None:
        """
        Add vectors; where a class is full, they replace its oldest ones.

        Args:
            vectors: shape (classes, n, channels).
            valid: booleans of shape (classes, n): which vectors to add. Of more than ``size``, the first are added.
        """
        # Valid vectors come first and take the next slots. The others are written behind them, with the old values.
        order = valid.long().argsort(dim=1, descending=True, stable=True)[:, : self.size]
        slots = (self.pushed.unsqueeze(1) + torch.arange(order.shape[1], device=order.device)) % self.size
        chosen = valid.gather(1, order).unsqueeze(2)
        new = vectors.to(self.vectors.dtype).gather(1, self._index(order))
        old = self.vectors.gather(1, self._index(slots))
        self.vectors.scatter_(1, self._index(slots), torch.where(chosen, new, old))
        self.pushed.add_(chosen.sum((1, 2)))

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Random vectors of each class without repetition, drawn with torch's global generator.

        Args:
            count: most vectors per class; all are returned where it is ``size`` or more.

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
