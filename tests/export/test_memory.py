# SPDX-License-Identifier: Apache-2.0
import os
import sys

import numpy as np
import pytest
import torch

from monai_kd.benchmark.memory import peak_memory

IMAGE = np.zeros((1, 1, 8, 8), dtype=np.uint8)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")


def hungry():
    """Sixty megabytes of weights, and forty more in each call."""
    weights = np.ones(60_000_000, dtype=np.uint8)
    return lambda image: {"mask": np.ones(40_000_000, dtype=np.uint8)[: len(weights)]}


def test_the_peak_of_a_fresh_process():
    own = np.ones(300_000_000, dtype=np.uint8)
    assert 95 < peak_memory(hungry, ("numpy",), IMAGE) < 130
    assert own.all()


def threads():
    """As many times ten megabytes in a call as torch has threads."""
    return lambda image: {"mask": np.ones(10_000_000 * torch.get_num_threads(), dtype=np.uint8)}


def test_the_threads_are_those_that_were_asked_for():
    assert 55 < peak_memory(threads, ("numpy",), IMAGE, threads=6) < 75


def test_a_process_that_is_ended():
    with pytest.raises(ValueError, match=r"was killed, perhaps for lack of memory\. Free some"):
        peak_memory(ended, (), IMAGE)


def ended():
    os._exit(1)
