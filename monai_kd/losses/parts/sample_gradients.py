# SPDX-License-Identifier: Apache-2.0
"""The gradient of each single sample of a batch with respect to a layer's weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call, vjp, vmap

from monai_kd.losses.parts.precision import full_precision

__all__ = ["sample_gradients"]


@full_precision
def sample_gradients(feature: torch.Tensor, output_gradient: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    r"""
    Differentiable gradients with respect to a layer's weights, one for each sample.

    .. math:: g_n = \Big(\frac{\partial f(x_n; w)}{\partial w}\Big)^{\!\top} \delta_n

    Args:
        feature: the layer's input x, shape (N, C, ...).
        output_gradient: δ, the gradient of the samples' losses with respect to the layer's output, in the output's
            shape.
        layer: f, with weights w.

    Returns:
        Shape (N, number of weights), in the order of ``layer.parameters()``.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> sample_gradients(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0], [10.0]]), layer).detach()
        tensor([[ 1.,  2.,  1.],
                [30., 40., 10.]])
    """
    weights = dict(layer.named_parameters())
    buffers = dict(layer.named_buffers())

    def one(x: torch.Tensor, delta: torch.Tensor) -> dict[str, torch.Tensor]:
        def run(w: dict[str, torch.Tensor]) -> torch.Tensor:
            output: torch.Tensor = functional_call(layer, (w, buffers), (x.unsqueeze(0),))
            return output

        pull_back = vjp(run, weights)[1]
        gradients: dict[str, torch.Tensor] = pull_back(delta.unsqueeze(0))[0]
        return gradients

    gradients = vmap(one)(feature, output_gradient)
    return torch.cat([gradients[name].flatten(1) for name in weights], dim=1)
