# SPDX-License-Identifier: Apache-2.0
"""The methods of both bundles, and those of this bundle that share a part with another config."""

from typing import Any

from bundles.source.segmentation.train import ENCODED
from bundles.source.shared.methods import ATTENTION, MSE, adapter, adversarial, logits_kl, methods, pathway, pathways
from bundles.source.shared.task import Config

HIDDEN_KL = {"_target_": "monai_kd.losses.HiddenKLLoss", "temperature": 1.0}
DEEPEST = {"student_layer": "encoder", "teacher_layer": "$@teacher_layers.encoder[-1]"}
STUDENT_CHANNELS = "$@student_layers.encoder_channels[-1]"
CHANNELS = (STUDENT_CHANNELS, "$@teacher_layers.encoder_channels[-1]")
DISCRIMINATOR = {
    "_target_": "monai_kd.networks.PatchLogitsDiscriminator",
    "spatial_dims": 2,
    "in_channels": "@network_def#out_channels",
    "num_classes": "@network_def#out_channels",
    "image_channels": "@network_def#in_channels",
}


def hidden(loss: Config, kind: str, weight: float = 0.5) -> Config:
    return pathway(loss, weight, **DEEPEST, student_adapter=adapter(kind, CHANNELS))


def encoded(loss: str, weight: float, **more: Any) -> Config:
    """Compare the student's deepest features with the auto-encoder's code of the teacher's features."""
    channels = (STUDENT_CHANNELS, "$@autoencoder#channels[-1]")
    return pathway(
        {"_target_": f"monai_kd.losses.{loss}"},
        weight,
        student_layer="encoder",
        teacher_layer="@encoded_layer",
        student_adapter={**adapter("ConvolutionAdapter", channels), **more},
        teacher_adapter="@encoder",
    )


def separable_unet(separable: bool) -> Config:
    return {
        "_target_": "monai_kd.networks.SeparableUNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 2,
        "channels": "@student_channels",
        "separable": separable,
    }


SEPARABLE = {"student_channels": [32] * 7, "network_def": separable_unet(True)}
EACH_LAYER = (
    "$['encoder.levels.%d.convolve' % i for i in range(len(@student_channels))] + "
    "['decoder.levels.%d.convolve' % i for i in range(len(@student_channels) - 1)]"
)

PAIRWISE = pathways(
    logits=logits_kl(1.0, 10.0),
    hidden=pathway({"_target_": "monai_kd.losses.PairwiseAffinityLoss"}, 0.5, **DEEPEST),
)
CRITIC = {
    "_target_": "monai_kd.networks.SelfAttentionDiscriminator",
    "spatial_dims": 2,
    "in_channels": "@network_def#out_channels",
    "image_channels": "@network_def#in_channels",
}
LAST_HIDDEN = {"student_layer": "decoder", "teacher_layer": "$@teacher_layers.decoder[-2]"}
RELATION = {
    "logits": logits_kl(1.0, 1.0),
    "relation": pathway({"_target_": "monai_kd.losses.CrossImageRelationLoss"}, 1.0, **LAST_HIDDEN),
}
LAST_CHANNELS = ("$@student_layers.decoder_channels[-1]", "$@teacher_layers.decoder_channels[-2]")
MEMORY = pathway(
    {"_target_": "monai_kd.losses.MemoryRelationLoss", "num_classes": 2, "channels": LAST_CHANNELS[1]},
    0.1,
    **LAST_HIDDEN,
    student_adapter=adapter("ChannelAdapter", (LAST_CHANNELS[0], "@pathways#memory#loss#channels")),
)
PEARSON = pathway(
    {"_target_": "monai_kd.losses.FeaturePearsonLoss"},
    6.0,
    **LAST_HIDDEN,
    student_adapter=adapter("ChannelAdapter", LAST_CHANNELS),
)

METHODS = {
    **methods(DEEPEST, CHANNELS, DISCRIMINATOR, unlabelled={}),
    "methods/attention_transfer": {
        "levels": "$min(len(@student_layers.encoder), len(@teacher_layers.encoder) - 1)",
        **pathways(
            attention=pathway(
                ATTENTION,
                "$1000.0 * @levels",
                student_layer="$list(@student_layers.encoder[:@levels])",
                teacher_layer="$list(@teacher_layers.encoder[:@levels])",
            )
        ),
    },
    "methods/contrastive": pathways(
        logits=logits_kl(1.0, 1.0),
        codes=hidden(
            {"_target_": "monai_kd.losses.ContrastiveRepresentationLoss", "channels": CHANNELS[1]},
            "ChannelAdapter",
            0.8,
        ),
    ),
    "methods/hidden_kl": pathways(hidden=hidden(HIDDEN_KL, "ChannelAdapter")),
    "methods/hidden_pearson": pathways(hidden=PEARSON),
    "methods/hidden_regressor_kl": pathways(hidden=hidden(HIDDEN_KL, "FeatureRegressor")),
    "methods/hidden_regressor_mse": pathways(hidden=hidden(MSE, "FeatureRegressor")),
    "methods/logits_and_hidden": pathways(
        logits=logits_kl(1.0, 0.25), hidden=hidden(HIDDEN_KL, "FeatureRegressor", 0.25)
    ),
    "methods/logits_standardized": pathways(
        logits=pathway({"_target_": "monai_kd.losses.StandardizedKLLoss", "over": "image"}, 9.0)
    ),
    "methods/pairwise_affinity": PAIRWISE,
    "methods/holistic": {
        **PAIRWISE,
        **adversarial("HolisticHandler", CRITIC, 0.1, learning_rate=0.0004, betas=[0.0, 0.9]),
    },
    "methods/cross_image_relation": pathways(**RELATION),
    "methods/memory_relation": pathways(**RELATION, memory=MEMORY),
    "methods/knowledge_adaptation": {
        "autoencoder_checkpoint": "$@bundle_root + '/models/autoencoder.pt'",
        "inputs#autoencoder_checkpoint": "@autoencoder_checkpoint",
        **ENCODED,
        "encoder": "$monai_kd.load_weights(@autoencoder, @autoencoder_checkpoint).encoder",
        **pathways(
            adaptation=encoded("LatentAdaptationLoss", 50.0), affinity=encoded("AffinityLoss", 1.0, conv_only=True)
        ),
        "settings#autoencoder": "$os.path.abspath(@autoencoder_checkpoint)",
        "+initialize": ["$@encoder"],
    },
    "methods/layerwise_l1": {
        **SEPARABLE,
        "teacher_def": separable_unet(False),
        **pathways(layers=pathway({"_target_": "monai_kd.losses.LayerwiseL1Loss"}, 1.0, student_layer=EACH_LAYER)),
    },
}
