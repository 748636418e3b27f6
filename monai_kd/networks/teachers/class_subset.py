# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_kd.outputs import main_output

__all__ = ["ClassSubset"]


class ClassSubset(nn.Module):
    r"""
    A teacher of many classes that answers for a few: for a student of one organ from a teacher of a whole body.

    Channel :math:`k` of the answer joins the channels :math:`C_k` of the network. All others join the background,
    which is channel 0:

    .. math:: z_k = \log \textstyle\sum_{c \in C_k} e^{z_c}

    The softmax of the answer is the sum of the joined classes' probabilities. Sigmoid heads keep the chosen channels
    and have no background; of several joined ones the largest logit counts, which is the union of their masks. The
    answer is reduced in each call, so that an inferer's windows and a :class:`monai_kd.CachedTeacher` hold few
    channels.

    Args:
        network: from an image to logits, shape BNH[WD] or (B, N). Of several outputs, the main one counts
            (:func:`monai_kd.outputs.main_output`).
        classes: the network's channels, one entry for each channel of the answer: an index, or a list of indices
            that are joined. The background is not named.
        sigmoid: whether the network's channels are independent (multi-label). Defaults to False: one class a pixel.

    Raises:
        ValueError: When there is no class, one is named twice or is below 0, or the background (index 0) is named
            without ``sigmoid``; at the call, when the network has no such channel, or no main output.

    Example:
        >>> network, image = torch.nn.Conv2d(1, 5, 1), torch.rand(1, 1, 4, 4)
        >>> few = ClassSubset(network, classes=[3, [1, 2]])(image).softmax(1)
        >>> every = network(image).softmax(1)
        >>> torch.allclose(few[:, 1], every[:, 3]), torch.allclose(few[:, 0], every[:, 0] + every[:, 4])
        (True, True)
    """

    def __init__(self, network: nn.Module, classes: Sequence[int | Sequence[int]], sigmoid: bool = False) -> None:
        super().__init__()
        groups = [[entry] if isinstance(entry, int) else list(entry) for entry in classes]
        named = [index for group in groups for index in group]
        first = 0 if sigmoid else 1
        if not named or not all(groups) or len(set(named)) < len(named) or min(named) < first:
            background = "" if sigmoid else " Channel 0 is the background, which takes all that is not named."
            raise ValueError(f"classes={classes!r}, expected different indices from {first}.{background}")
        self.network = network
        self.groups = groups
        self.sigmoid = sigmoid

    def extra_repr(self) -> str:
        """The arguments that are not modules."""
        return f"classes={self.groups}, sigmoid={self.sigmoid}"

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """
        Args:
            image: shape BNH[WD].

        Returns:
            Logits of ``len(classes)`` channels, and of the background first without ``sigmoid``.
        """
        logits = main_output(self.network(image), image, "ClassSubset's network", "teacher")
        highest = max(index for group in self.groups for index in group)
        if logits.shape[1] <= highest:
            raise ValueError(
                f"ClassSubset's network gives {tuple(logits.shape)}, expected more than {highest} channels. Name "
                "classes that the network has."
            )
        if self.sigmoid:
            return torch.stack([logits[:, group].amax(1) for group in self.groups], dim=1)
        named = {index for group in self.groups for index in group}
        rest = [index for index in range(logits.shape[1]) if index not in named]
        return torch.stack([logits[:, group].logsumexp(1) for group in [rest, *self.groups]], dim=1)
