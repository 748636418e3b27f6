# SPDX-License-Identifier: Apache-2.0
"""The overlays of methods that both bundles have."""

from typing import Any

from bundles.source.shared.task import Config

ATTENTION = {"_target_": "monai_kd.losses.AttentionTransferLoss"}
MSE = {"_target_": "torch.nn.MSELoss"}


def pathway(loss: Config, weight: Any, **layers: Any) -> Config:
    return {"_target_": "monai_kd.Pathway", "loss": loss, **layers, "weight": weight}


def pathways(**named: Config) -> Config:
    return {"pathways": {"_target_": "monai_kd.Pathways", **named}}


def logits_kl(temperature: float, weight: float) -> Config:
    return pathway({"_target_": "monai_kd.losses.LogitsKLLoss", "temperature": temperature}, weight)


def adapter(kind: str, channels: tuple[str, str]) -> Config:
    """Convert the student's number of channels to the teacher's."""
    student, teacher = channels
    target = f"monai_kd.networks.{kind}"
    return {"_target_": target, "spatial_dims": 2, "in_channels": student, "out_channels": teacher}


def methods(layers: Config, channels: tuple[str, str], discriminator: Config, unlabelled: Config) -> dict[str, Config]:
    """
    The overlays of methods, which differ between the bundles only in these arguments.

    Args:
        layers: of student and teacher, whose hidden features are compared.
        channels: of these layers.
        discriminator: of logits.
        unlabelled: further changes for learning without labels.
    """
    similar = {"_target_": "monai_kd.losses.SimilarityPreservingLoss"}
    hidden = pathway(MSE, 0.5, **layers, student_adapter=adapter("ChannelAdapter", channels))
    return {
        "methods/logits_kl": pathways(logits=logits_kl(1.0, 0.5)),
        "methods/logits_mse": pathways(logits=pathway({"_target_": "monai_kd.losses.LogitsMSELoss"}, 0.5)),
        "methods/hidden_mse": pathways(hidden=hidden),
        "methods/similarity_preserving": pathways(hidden=pathway(similar, 3000.0, **layers)),
        "methods/adversarial_logits": adversarial_logits(discriminator),
        "methods/unlabelled": soft_labels(unlabelled),
    }


def adversarial_logits(discriminator: Config) -> Config:
    return {
        **pathways(logits=pathway({"_target_": "torch.nn.L1Loss"}, 1.0)),
        **adversarial("AdversarialLogitsHandler", discriminator, 1.0, learning_rate=0.0002, betas=[0.5, 0.999]),
    }


def adversarial(handler: str, discriminator: Config, weight: float, learning_rate: float, betas: list[float]) -> Config:
    """A discriminator with its own optimizer, and the handler that trains it."""
    return {
        "discriminator_def": discriminator,
        "discriminator": "$monai_kd.engines.distribute(@discriminator_def, @device)",
        "discriminator_optimizer": {
            "_target_": "torch.optim.Adam",
            "params": "$@discriminator.parameters()",
            "lr": learning_rate,
            "betas": betas,
        },
        "adversarial": {
            "_target_": f"monai_kd.handlers.{handler}",
            "discriminator": "@discriminator",
            "optimizer": "@discriminator_optimizer",
            "weight": weight,
        },
        "resumed#adversarial": "@adversarial",
        "settings#discriminator_learning_rate": "@discriminator_optimizer#lr",
        "settings#adversarial": "$repr(@adversarial)",
        "+further_handlers": ["@adversarial"],
    }


def soft_labels(more: Config) -> Config:
    return {
        "unlabelled_dir": "$@bundle_root + '/data/unlabelled'",
        "inputs#unlabelled_dir": "@unlabelled_dir",
        "supervised_weight": 0.0,
        **more,
        **pathways(soft_labels=pathway({"_target_": "monai_kd.losses.SoftLabelBCELoss", "softmax": True}, 1.0)),
        "train#dataset#_target_": "monai_kd.data.PooledDataset",
        "train#dataset#unlabelled": "@unlabelled_dir",
        "settings#unlabelled images": "$os.path.abspath(@unlabelled_dir)",
    }
