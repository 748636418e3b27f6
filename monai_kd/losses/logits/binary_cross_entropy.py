# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F

from monai_kd.losses.logits.softened import SoftenedLoss

__all__ = ["LogitsBCELoss", "one_against_rest"]


def one_against_rest(logits: torch.Tensor) -> torch.Tensor:
    """
    The logit of each class's softmax probability, z_c - log(sum over the other classes of exp z).

    Args:
        logits: of two classes or more, shape BN[HWD].

    Raises:
        ValueError: When there is one channel.

    Example:
        >>> one_against_rest(torch.tensor([[3.0, 1.0]]))
        tensor([[ 2., -2.]])
    """
    if logits.shape[1] == 1:
        raise ValueError(
            f"softmax=True got logits of one channel, shape {tuple(logits.shape)}, but needs two or more. "
            "Leave softmax=True out for a sigmoid head."
        )
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    spread = logits.unsqueeze(1).expand(-1, logits.shape[1], *logits.shape[1:])
    mask = own.reshape(1, *own.shape, *(1,) * (logits.ndim - 2))
    return logits - spread.masked_fill(mask, float("-inf")).logsumexp(dim=2)


class LogitsBCELoss(SoftenedLoss):
    r"""
    Binary cross-entropy of the student's logits against the teacher's probabilities as soft labels (BCE).

    .. math:: -T^2 \big\langle q \log p + (1 - q) \log (1 - p) \big\rangle, \qquad p = \sigma(z^s/T),\ q = \sigma(z^t/T)

    The loss averages over samples, channels and positions. Its minimum, where student and teacher agree, is not zero
    but the teacher's own entropy.

    Source: the soft labels of Owen et al., "Student becomes teacher", Biomedical Optics Express 12 (2021) 5387, as
    reviewed by Behboodi et al. (Artificial Intelligence in Health 2(2), 2025, doi 10.36922/aih.3509).

    Args:
        temperature: divisor of the logits, above 0. Defaults to 1.0.
        softmax: True for a softmax head: p and q are softmax probabilities, each class against all others. Defaults to
            False, for sigmoid heads, whose channels are independent.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, or when ``softmax`` is set
            and there is one channel.

    Example:
        >>> import torch
        >>> round(LogitsBCELoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item(), 4)  # log 2
        0.6931
    """

    compares = "channel probabilities, by binary cross-entropy"
    paper = "Owen 2021"

    def __init__(self, temperature: float = 1.0, softmax: bool = False) -> None:
        super().__init__(temperature)
        self.softmax = softmax

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, softmax={self.softmax}"

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if self.softmax:
            student, teacher = one_against_rest(student), one_against_rest(teacher)
        return F.binary_cross_entropy_with_logits(student, teacher.sigmoid())
