# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/label.md, in its order, against a real server."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("monailabel")

from monai_kd.phantom import write_phantoms
from monai_kd.utils.checkpoints import save_checkpoint
from tests.label.apps import BUNDLE, TINY, weights
from tests.label.conftest import ROOT, environment, served

PAGE = ROOT / "docs" / "label.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
LINES = "\n".join(BLOCK.findall(PAGE.read_text().replace("\\\n", ""))).splitlines()
COMMANDS = [line[2:] for line in LINES if line[:2] == "$ "]
PORT = "8000"


def part(start):
    return [command for command in COMMANDS if command.startswith(start)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Networks, images and a mask by the names that the page gives them."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "runs").mkdir()
    student = json.loads((BUNDLE / "configs" / "inference.json").read_text())["network_def"]
    networks = {"student": {**student, "channels": TINY["student_channels"]}, "teacher": TINY["teacher_def"]}
    for name, path in weights(folder).items():
        record = {"network_def": networks[name], "spatial_size": TINY["spatial_size"]}  # as a training's checkpoint
        state = torch.load(path, weights_only=True)
        save_checkpoint(state, folder / "runs" / {"student": "model.pt"}.get(name, "teacher.pt"), record)
    shutil.copytree(ROOT / "bundles", folder / "bundles", ignore=shutil.ignore_patterns("runs", "*.pt"))
    write_phantoms(folder / "phantoms", count=6)
    images = sorted((folder / "phantoms" / "original").iterdir())
    (folder / "label" / "images" / "labels" / "final").mkdir(parents=True)
    for image in images[1:]:
        shutil.copy(image, folder / "label" / "images")
        shutil.copy(folder / "phantoms" / "GT" / image.name, folder / "label" / "images" / "labels" / "final")
    (folder / "label" / "images" / "labels" / "final" / images[-1].name).unlink()
    shutil.copy(images[0], folder / "case004.png")
    shutil.copy(folder / "phantoms" / "GT" / images[0].name, folder / "case004_tumor.png")
    return folder


def run(command, folder):
    """A command as written, but for the size of the networks and the port."""
    for name, value in TINY.items():
        small = shlex.quote(f"{name}={json.dumps(value)}")
        command = re.sub(rf"""(["']){name}=.+?\1""", lambda found, small=small: small, command)
    command = re.sub("^python ", f"{sys.executable} ", command)
    env = environment(folder)
    done = subprocess.run(
        command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
    return done.stdout


def test_every_command_of_the_page(place):
    if shutil.which("curl") is None:
        pytest.skip("curl")
    known = [part("pip install"), part("python -m monai_kd label install"), part("python -m monai_kd label start")]
    install, start, sent = *known[1], *known[2], part("curl")
    assert len(known[0]) == 3 and sum(map(len, known)) + len(sent) == len(COMMANDS) and len(sent) >= 5
    run(install, place)
    words = start.split()
    app, studies = place / words[words.index("start") + 1], place / words[words.index("--studies") + 1]
    command = (sys.executable, *words[1:5], "{app}", "--studies", "{studies}", "--port", "{port}")
    with served(app, studies, command=command) as url:
        for line in sent:
            answer = run(line.replace(f"http://127.0.0.1:{PORT}", url) + " --fail-with-body", place)
            for _ in range(1200):  # of a training the page shows the end
                if ('"RUNNING"' not in answer and '"SUBMITTED"' not in answer) or "/train/student" in line:
                    break
                time.sleep(0.2)
                answer = run(line.replace(f"http://127.0.0.1:{PORT}", url), place)
        assert '"DONE"' in "".join(run(f"curl -s {url}/train/", place))
    assert (place / "mask.png").is_file()
    assert Path(studies, "labels", "final", "case004.png").is_file()
