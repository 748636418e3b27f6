# SPDX-License-Identifier: Apache-2.0
"""A real server of MONAI Label on a free port of this machine, ended by its process id."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

import monai_kd
from tests.helpers import children_heed_ctrl_c

ROOT = Path(monai_kd.__file__).parents[1]
WITHOUT_TORCHVISION = ROOT / "monai_kd" / "label" / "without_torchvision"
STOCK = (sys.executable, "-m", "monailabel.main", "start_server", "--app", "{app}", "--studies", "{studies}",
         "--host", "127.0.0.1", "--port", "{port}")  # fmt: skip


def environment(tmpdir: Path, **further: str) -> dict[str, str]:
    """What a server needs in its environment; its temporary files are apart from those of its clients."""
    path = [str(ROOT), *([] if find_spec("torchvision") else [str(WITHOUT_TORCHVISION)])]
    needed = {
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": str(tmpdir),
        "OMP_NUM_THREADS": "1",
        "MONAI_LABEL_TRACKING_ENABLED": "false",
        "MONAI_LABEL_DATASTORE_FILE_EXT": '["*.png", "*.jpg", "*.nii.gz", "*.nrrd"]',
    }
    return {**os.environ, **needed, **further}


@contextmanager
def served(
    app: Path,
    studies: Path,
    env: Mapping[str, str] | None = None,
    extra_args: Sequence[str] = (),
    command: Sequence[str] = STOCK,
    seconds: float = 120,
) -> Iterator[str]:
    """
    Start a server, wait until it answers, and end it and all its children.

    Args:
        app: the app's folder; the log is beside it, ``<app>.log``.
        studies: the folder of images.
        env: further environment variables.
        extra_args: appended to the command.
        command: how to start it, with ``{app}``, ``{studies}`` and ``{port}``.
        seconds: to wait for the first answer.

    Returns:
        The server's address, ``http://127.0.0.1:<port>``.

    Raises:
        AssertionError: with the log's end, when it does not answer, and when the test fails while it runs.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [part.format(app=app, studies=studies, port=port) for part in (*command, *extra_args)]
    log, tmpdir = app.with_name(f"{app.name}.log"), app.with_name(f"{app.name}.tmp")
    tmpdir.mkdir(exist_ok=True)
    with log.open("w") as file, children_heed_ctrl_c():
        process = subprocess.Popen(
            arguments, stdout=file, stderr=subprocess.STDOUT, env=environment(tmpdir, **(env or {})),
            cwd=app.parent, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, port, seconds)
        yield f"http://127.0.0.1:{port}"
    except BaseException as error:
        error.add_note(f"The end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-60:]))
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a session of its own: the server and what it started
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"The server ended with {process.returncode} before it answered.")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            connection.request("GET", "/info/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError(f"The server did not answer within {seconds} s.")


@pytest.fixture(scope="session")
def stock_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MONAI Label's own app for bundles, as its installation brings it."""
    pytest.importorskip("monailabel")
    folder = tmp_path_factory.mktemp("stock")
    command = [sys.executable, "-m", "monailabel.main", "apps", "--download", "--name", "monaibundle"]
    env = environment(folder)
    subprocess.run([*command, "--output", str(folder)], check=True, capture_output=True, env=env, timeout=120)
    return folder / "monaibundle"
