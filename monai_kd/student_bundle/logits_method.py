# SPDX-License-Identifier: Apache-2.0
"""How the logits of teacher and student are compared, for sigmoid and softmax outputs."""

from __future__ import annotations

from typing import Any

from monai_kd.bundle.config_ids import Config

__all__ = ["HIDDEN", "LOSSES", "choose_method", "has_sigmoid", "logits_pathway"]

HIDDEN = "hidden"  # compares logits and pairs of layers
LOSSES: dict[str, dict[str, Any]] = {
    "logits_kl": {"_target_": "monai_kd.losses.LogitsKLLoss", "temperature": 4.0},
    "logits_mse": {"_target_": "monai_kd.losses.LogitsMSELoss"},
    "logits_bce": {"_target_": "monai_kd.losses.LogitsBCELoss"},
}


def choose_method(method: str | None, config: Config, out_channels: int) -> tuple[str, str]:
    """
    The method of the run, and the name in :data:`LOSSES` by which it compares logits.

    Args:
        method: a name of :data:`LOSSES`, :data:`HIDDEN`, or None: the teacher's output activation decides.
        config: the teacher's training.
        out_channels: of the networks.

    Raises:
        ValueError: When the method is unknown, or does not fit the output activation.
    """
    is_sigmoid = out_channels == 1 or has_sigmoid(config)
    natural = "logits_bce" if is_sigmoid else "logits_kl"
    if method is None or method == HIDDEN:
        return method or natural, natural
    if method not in LOSSES:
        raise ValueError(f"No method '{method}'. Choose from {', '.join((*LOSSES, HIDDEN))}.")
    if method == "logits_kl" and is_sigmoid:
        raise ValueError(
            f"Method logits_kl needs a softmax over the classes, but each of the teacher's {out_channels} channel(s) "
            "goes through a sigmoid. Choose logits_bce or logits_mse."
        )
    return method, method


def logits_pathway(method: str, weight: float) -> dict[str, Any]:
    """The pathway that compares the networks' outputs by a loss of :data:`LOSSES`."""
    return {"_target_": "monai_kd.Pathway", "loss": dict(LOSSES[method]), "weight": weight}


def has_sigmoid(config: Any) -> bool:
    """
    Whether a loss or an activation in a training's config applies a sigmoid to each channel.

    Example:
        >>> has_sigmoid({"after": [{"_target_": "Activationsd", "keys": ["pred", "label"], "sigmoid": [True, False]}]})
        True
    """
    if isinstance(config, dict):
        given = config.get("sigmoid")
        return given is True or (isinstance(given, list) and True in given) or any(map(has_sigmoid, config.values()))
    return isinstance(config, list) and any(map(has_sigmoid, config))
