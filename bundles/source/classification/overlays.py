# SPDX-License-Identifier: Apache-2.0
"""The overlays of both bundles, and those of this bundle that share a part with another config."""

from typing import Any

from bundles.source.classification.task import TEACHER, TEACHER_CHANNELS
from bundles.source.shared.methods import ATTENTION, MSE, adapter, logits_kl, methods, pathway, pathways
from bundles.source.shared.overlays import OF_BOTH, multi_gpu_train, teacher
from bundles.source.shared.task import Config
from bundles.source.shared.views import few_labels

CHANNELS = ("$@student_channels[-1]", "$@teacher_channels[-1]")
DEEPEST = {"student_layer": "layer4"}  # the teacher's layer too, because both are ResNets
DISCRIMINATOR = {
    "_target_": "monai_kd.networks.LogitsDiscriminator",
    "in_channels": "@network_def#num_classes",
    "num_classes": "@network_def#num_classes",
}
SUMMED = {"_target_": "torch.nn.CrossEntropyLoss", "reduction": "sum"}
LAST_BATCH = {"train#dataloader#drop_last": "$len(@train#shared_sampler) % @batch_size == 1"}


def pretrained_classifier(pretrained: Any) -> Config:
    return {
        "_target_": "monai_kd.networks.PretrainedClassifier",
        "in_channels": 1,
        "num_classes": "$len(@classes)",
        "backbone": "efficientnet-lite0",
        "pretrained": pretrained,
    }


OVERLAYS = {
    **OF_BOTH,
    **methods(DEEPEST, CHANNELS, DISCRIMINATOR, unlabelled={"loss": SUMMED}),
    "methods/attention_transfer": pathways(
        attention=pathway(ATTENTION, 3000.0, student_layer=["layer1", "layer2", "layer3"])
    ),
    "methods/logits_and_hidden": pathways(
        logits=logits_kl(1.0, 0.5),
        hidden=pathway(MSE, 0.5, **DEEPEST, student_adapter=adapter("ChannelAdapter", CHANNELS)),
    ),
    "multi_gpu_train": multi_gpu_train(
        {"train#dataloader#drop_last": "$len(@train#shared_sampler) % @batch_size == 1"}
    ),
    "networks/pretrained": {"imagenet": True, "network_def": pretrained_classifier("@imagenet")},
    "recipes/few_labels": few_labels(),
    "teacher": teacher({**TEACHER_CHANNELS, "teacher_def": TEACHER, "network_def": "@teacher_def"}),
    "teachers/pretrained": {"teacher_def": pretrained_classifier(False)},
}
