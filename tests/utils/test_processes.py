# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import torch
import torch.distributed as dist

from monai_kd.utils.processes import gather, is_distributed, is_first_process, process_count, rank, sum_of_all


def test_a_group_of_one_process_is_distributed(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert is_distributed() and is_first_process() and (rank(), process_count()) == (0, 1)
        assert gather(["a", "b"]) == ["a", "b"] and sum_of_all(torch.ones(2)).tolist() == [1.0, 1.0]
    finally:
        dist.destroy_process_group()
    assert not is_distributed() and (rank(), process_count()) == (0, 1)


def test_torch_is_not_needed():
    code = """
import sys
sys.modules.update(dict.fromkeys(["torch", "ignite"]))
from monai_kd.utils.processes import gather, is_first_process
assert is_first_process() and gather([1]) == [1]
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
