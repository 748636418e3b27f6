# SPDX-License-Identifier: Apache-2.0
"""The table of all losses: what each compares, and its paper."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["described", "loss_table"]

HEADER = ("Loss", "Compares", "Source")


def described(loss: type) -> tuple[str, str]:
    """
    What a loss or a handler compares, and its paper.

    Args:
        loss: a class with the attributes ``compares`` and ``paper``; a dash stands for one that is missing.

    Example:
        >>> import torch
        >>> described(torch.nn.L1Loss)
        ('–', '–')
    """
    return getattr(loss, "compares", "–"), getattr(loss, "paper", "–")


def loss_table(losses: Sequence[type]) -> str:
    """
    A table in reStructuredText with a row for each loss.

    Args:
        losses: classes with the attributes ``compares`` and ``paper``.

    Example:
        >>> class MyLoss:
        ...     compares = "values"
        ...     paper = "none"
        >>> print(loss_table([MyLoss]))
        ==========  ========  ======
        Loss        Compares  Source
        ==========  ========  ======
        ``MyLoss``  values    none
        ==========  ========  ======
        <BLANKLINE>
    """
    rows = [HEADER, *((f"``{loss.__name__}``", *described(loss)) for loss in losses)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = tuple("=" * width for width in widths)
    lines = [rule, rows[0], rule, *rows[1:], rule]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )
