# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    r"""
    Average of several networks' predictions, as one teacher.

    .. math:: z = \langle z_k \rangle_k \qquad\text{or}\qquad z = \log \langle \mathrm{softmax}(z_k) \rangle_k

    The default averages logits: up to a constant at each position, the result is the logarithm of the geometric mean of
    the probabilities. With ``probabilities=True`` the result is the logarithm of their arithmetic mean, which a single
    overconfident member cannot dominate. Both results are logits.

    The layers of each member keep their names after ``"members.0."``, ``"members.1."`` …, so a pathway can also compare
    a hidden layer of one member.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", arXiv 1503.02531: the soft
    targets of an ensemble are the arithmetic or geometric mean of its members' predictions.

    Args:
        members: at least two networks with the same input and the same shape of output.
        probabilities: average softmax probabilities. Defaults to False: average logits, which also suits sigmoid heads.

    Raises:
        ValueError: When there are fewer than two members, or two share weights; at the call, when their outputs differ
            in shape, or when probabilities are averaged and there is one channel.

    Example:
        >>> import torch
        >>> members = [torch.nn.Conv2d(1, 2, 1) for _ in range(2)]
        >>> ensemble, image = Ensemble(members), torch.rand(1, 1, 4, 4)
        >>> torch.allclose(ensemble(image), (members[0](image) + members[1](image)) / 2)
        True
        >>> [name for name, _ in ensemble.named_modules()]
        ['', 'members', 'members.0', 'members.1']
    """

    def __init__(self, members: Sequence[nn.Module], probabilities: bool = False) -> None:
        super().__init__()
        _check_members(members)
        self.members = nn.ModuleList(members)
        self.probabilities = probabilities

    def extra_repr(self) -> str:
        return f"probabilities={self.probabilities}"

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the members' shape, for an image of shape BNH[WD]."""
        outputs = [member(image) for member in self.members]
        _check_outputs(outputs)
        logits = torch.stack(outputs)
        if not self.probabilities:
            return logits.mean(dim=0)
        if logits.shape[2] == 1:
            raise ValueError(
                f"Ensemble(probabilities=True) got logits of one channel, shape {tuple(logits.shape[1:])}: a softmax "
                "over one channel is always 1. Use probabilities=False, or heads of two channels."
            )
        # logsumexp, because the logarithm of the mean is -inf where every member's probability underflows.
        return logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(outputs))


def _check_members(members: Sequence[nn.Module]) -> None:
    if len(members) < 2:
        raise ValueError(f"Ensemble got {len(members)} member(s). Give two or more; use one network as it is.")
    owners: dict[int, int] = {}
    for index, member in enumerate(members):
        for parameter in member.parameters():
            owner = owners.setdefault(id(parameter), index)
            if owner != index:
                raise ValueError(
                    f"Members {owner} and {index} of the ensemble share weights, so loading one would overwrite the "
                    "other. Build each member separately, or copy.deepcopy it."
                )


def _check_outputs(outputs: Sequence[torch.Tensor]) -> None:
    for index, output in enumerate(outputs):
        if not isinstance(output, torch.Tensor):
            raise ValueError(
                f"Member {index} of the ensemble returned a {type(output).__name__}, not one tensor. Switch off its "
                "other outputs (deep supervision), or wrap it."
            )
        if output.shape != outputs[0].shape:
            raise ValueError(
                f"Member {index} of the ensemble gives {tuple(output.shape)}, member 0 {tuple(outputs[0].shape)}. "
                "Give all members the same out_channels and the same classes."
            )
