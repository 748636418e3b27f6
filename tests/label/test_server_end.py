# SPDX-License-Identifier: Apache-2.0
"""Background tasks: one at a time, and none outlives the server."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("monailabel")

import psutil
import requests

from monai_kd.phantom import write_phantoms
from tests.label.apps import tiny_app
from tests.label.conftest import served

# With -s it is not forked by tests/fork_server.py, nor are its trainings: they are found by their commands.
START = (
    sys.executable,
    "-s",
    "-m",
    "monai_kd",
    "label",
    "start",
    "{app}",
    "--studies",
    "{studies}",
    "--port",
    "{port}",
)
LONG = {"max_epochs": 1000, "learning_rate": 1e-6}


@pytest.fixture
def place(tmp_path):
    tiny_app(tmp_path)
    write_phantoms(tmp_path / "phantoms", count=6, seed=0)
    (tmp_path / "phantoms" / "original").rename(tmp_path / "images")
    (tmp_path / "images" / "labels").mkdir()
    shutil.copytree(tmp_path / "phantoms" / "GT", tmp_path / "images" / "labels" / "final")
    return tmp_path


def processes(url):
    """The server, and what it has started."""
    port = url.rsplit(":", 1)[1]
    (server,) = (child for child in psutil.Process().children() if port in child.cmdline())
    return server, server.children(recursive=True)


def train(url):
    return requests.post(f"{url}/train/student", json=LONG, timeout=60).status_code


def wait(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_training_ends_with_its_server_even_in_its_first_second(place, end):
    model = place / "app" / "bundle" / "models" / "model.pt"
    kept = model.read_bytes()
    with served(place / "app", place / "images", command=START) as url:
        assert train(url) == 200
        wait(lambda: any("train" in child.cmdline() for child in processes(url)[1]))
        server, children = processes(url)
        server.send_signal(end)
        wait(lambda: ended(server))
        wait(lambda: all(ended(child) for child in children))
    assert not list((place / "app").glob("runs/training-*")) and model.read_bytes() == kept


def test_of_several_trainings_at_once_one_is_taken(place):
    with served(place / "app", place / "images", command=START) as url, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert sorted(pool.map(train, [url] * 4)) == [200, 429, 429, 429]
            assert requests.delete(f"{url}/train/", timeout=60).json()["status"] == "STOPPED"
        assert requests.post(f"{url}/train/", json={"student": LONG}, timeout=60).status_code == 200
        assert requests.post(f"{url}/train/", json={"student": LONG}, timeout=60).status_code == 429
        requests.delete(f"{url}/train/", timeout=60)
