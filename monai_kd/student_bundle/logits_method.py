# SPDX-License-Identifier: Apache-2.0
"""How a teacher's logits are compared with the student's, where a bundle's heads are of two kinds."""

from __future__ import annotations

from typing import Any

from monai_kd.bundle.config_ids import Config

__all__ = ["HIDDEN", "LOSSES", "choose_method", "has_sigmoid", "logits_pathway"]

HIDDEN = "hidden"  # the logits and the pairs of layers
LOSSES: dict[str, dict[str, Any]] = {
    "logits_kl": {"_target_": "monai_kd.losses.LogitsKLLoss", "temperature": 4.0},
    "logits_mse": {"_target_": "monai_kd.losses.LogitsMSELoss"},
    "logits_bce": {"_target_": "monai_kd.losses.LogitsBCELoss"},
}


def choose_method(method: str | None, config: Config, out_channels: int) -> tuple[str, str]:
    """
    The method of the run, and how it compares logits.

    Args:
        method: a name of :data:`LOSSES`, :data:`HIDDEN`, or None: the head decides.
        config: the teacher's training.
        out_channels: of the networks.

    Returns:
        The method's name, and a name of :data:`LOSSES`.

    Raises:
        ValueError: When the method is unknown or does not fit the head.
    """
    is_sigmoid = out_channels == 1 or has_sigmoid(config)
    natural = "logits_bce" if is_sigmoid else "logits_kl"
    if method is None or method == HIDDEN:
        return method or natural, natural
    if method not in LOSSES:
        raise ValueError(f"No method '{method}'. There are {', '.join((*LOSSES, HIDDEN))}.")
    if method == "logits_kl" and is_sigmoid:
        raise ValueError(
            f"Method logits_kl compares one class against the others, but the teacher's {out_channels} channel(s) go "
            "through a sigmoid, each by itself. Take logits_bce or logits_mse."
        )
    return method, method


def logits_pathway(method: str, weight: float) -> dict[str, Any]:
    """
    The pathway that compares the networks' outputs.

    Args:
        method: a name of :data:`LOSSES`.
        weight: of the pathway.
    """
    return {"_target_": "monai_kd.Pathway", "loss": dict(LOSSES[method]), "weight": weight}


def has_sigmoid(config: Any) -> bool:
    """
    Whether a network's channels go through a sigmoid, each by itself, as a loss or an activation in its config tells.

    Args:
        config: of the network's training, or a part of one.

    Example:
        >>> has_sigmoid({"after": [{"_target_": "Activationsd", "keys": ["pred", "label"], "sigmoid": [True, False]}]})
        True
    """
    if isinstance(config, dict):
        given = config.get("sigmoid")
        return given is True or (isinstance(given, list) and True in given) or any(map(has_sigmoid, config.values()))
    return isinstance(config, list) and any(map(has_sigmoid, config))
