# SPDX-License-Identifier: Apache-2.0
"""What each of two processes does in test_gradient_attention, and one alone."""

from datetime import timedelta

import torch
import torch.distributed as dist

from monai_kd.engines import distribute
from monai_kd.handlers import GradientAttentionHandler
from tests.engines.two_processes import CPU, batches, make, train


def with_handler(data, wrap):
    """A run of two epochs whose gradients the term governs."""
    return make(data, wrap, handlers=lambda objects: [GradientAttentionHandler(50.0)])


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    data = batches(slice(2 * rank, 2 * rank + 2))
    torch.save(train(with_handler(data, lambda module: distribute(module, CPU))), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
