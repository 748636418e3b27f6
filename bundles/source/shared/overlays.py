# SPDX-License-Identifier: Apache-2.0
"""The overlays of both bundles. To add one, write it into ``OF_BOTH``."""

from bundles.source.shared import parts
from bundles.source.shared.task import Config
from bundles.source.shared.views import WITH_VIEWS, cached

OF_BOTH = {
    **WITH_VIEWS,
    "cached_teacher": {"teacher_cache": None, **cached("@teacher_def", "$@pathways.teacher_layers")},
    "federated": {
        "rounds": 10,
        "resume": False,
        "lr_scheduler#total_steps": "$@rounds * @train#trainer#max_epochs * len(@train#dataloader)",
        "+initialize": [parts.LOAD_TEACHER, *parts.CHECK_IMAGES],
    },
    "teachers/self_ema": {
        "average": {
            "_target_": "ignite.handlers.EMAHandler",
            "model": "@network",
            "momentum": 0.01,
            "handle_buffers": "update",
        },
        "teacher_def": "$@average.ema_model",
        **parts.NO_TEACHER_CHECKPOINT,
        "resumed#teacher": "@teacher_def",
        "settings#teacher": "$'moving average of the student, momentum ' + str(@average#momentum)",
        "run": [*parts.CHECK_IMAGES, "$@average.attach(@train#trainer)", parts.RUN],
    },
}


def multi_gpu_train(last_batch: Config) -> Config:
    return {
        "+imports": ["$import torch.distributed as dist"],
        "process_timeout": 600,
        "device": "$monai_kd.engines.process_device()",
        "quiet": "$dist.get_rank() > 0 or None",
        "use_tensorboard": "$dist.get_rank() == 0 and find_spec('tensorboard') is not None",
        "train#shared_sampler": {
            "_target_": "ignite.distributed.auto.DistributedProxySampler",
            "sampler": "@train#sampler",
        },
        "train#dataloader#sampler": "@train#shared_sampler",
        **last_batch,
        "validate#sampler": {
            "_target_": "DistributedSampler",
            "dataset": "@validate#dataset",
            "even_divisible": False,
            "shuffle": False,
        },
        "validate#dataloader#sampler": "@validate#sampler",
        "processes": "$monai_kd.engines.join_processes(@device, @process_timeout)",
        "finalize": ["$dist.is_initialized() and dist.destroy_process_group()"],
    }


def teacher(networks: Config) -> Config:
    """An overlay to evaluate the teacher, or to run it on images."""
    return {"checkpoint": parts.model("teacher"), **networks}
