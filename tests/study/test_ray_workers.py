# SPDX-License-Identifier: Apache-2.0
"""Runs on a real Ray cluster of this machine: a head without cores, and two workers of one core each."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from monai_kd.study.running.ray_workers import RayWorkers
from monai_kd.study.running.scheduling import schedule
from tests.study.fake_runs import fake_run

pytest.importorskip("ray")
SECONDS = 12


@pytest.fixture
def cluster(monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    # The workers' processes find this package, and no other Ray, as this process does.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), *sys.path]))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_the_runs_of_a_lost_worker_are_started_again(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()
    workers = RayWorkers(cluster.address)
    assert workers.slots == 2
    runs = [fake_run(tmp_path, "first", SECONDS), fake_run(tmp_path, "second", SECONDS)]
    lost = []

    def lose_a_worker(state):
        if not lost and all((one.folder / "starts").is_file() for one in runs):
            lost.append(nodes[1])
            cluster.remove_node(nodes[1], allow_graceful=False)

    state = schedule(runs, workers, lose_a_worker)
    assert lost and not state.failed and len(state.finished) == 2
    starts = sorted(len((one.folder / "starts").read_text().split()) for one in runs)
    assert starts == [1, 2]


def test_an_address_that_does_not_answer_is_one_clear_error_soon():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    begin = time.monotonic()
    for given in (address, f"ray://{address}", "nonsense"):
        with pytest.raises(ConnectionError, match=f"No Ray cluster answers at '{given}'"):
            RayWorkers(given)
    assert time.monotonic() - begin < 60


def test_a_fraction_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"--gpu-fraction must be between 0 and 1, or a whole number, got 1\.5"):
        RayWorkers("127.0.0.1:1", gpu_fraction=1.5)
