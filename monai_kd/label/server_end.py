# SPDX-License-Identifier: Apache-2.0
"""The server's processes end with it: nothing goes on training, or publishes, that nobody can see or stop."""

from __future__ import annotations

import os

from monai_kd.utils.processes import end_with

__all__ = ["begin", "end_with_server", "is_child", "require_server", "stop_all"]

SERVER = "MONAI_KD_LABEL_SERVER"  # the server's process id, in the environment of what it starts
METHODS = ("train", "scoring", "batch_infer")


def begin() -> None:
    """Say, to every process that this one starts, that it is the server."""
    os.environ[SERVER] = str(os.getpid())


def is_child() -> bool:
    """Whether this process was started by a server, for long work."""
    return os.environ.get(SERVER, str(os.getpid())) != str(os.getpid())


def end_with_server() -> None:
    """
    End this process when its server has ended, if it has one.

    The server's id comes from the environment: asked for after seconds of imports, the parent may be another already.
    """
    if is_child():
        end_with(int(os.environ[SERVER]))


def require_server() -> None:
    """
    Check that the server is still there, before anything of it is changed.

    Raises:
        ValueError: When it has ended.
    """
    if is_child() and os.getppid() != int(os.environ[SERVER]):
        raise ValueError("The server has ended. The student in service stays; start the server and train again.")


def stop_all() -> None:
    """Stop what runs, and what waits for its turn, before the server ends: else it would wait for all of it."""
    from monailabel.utils.async_tasks.utils import background_executors, background_processes

    for method in METHODS:
        executor = background_executors.get(method)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for process in [*background_processes.get(method, {}).values()]:
            process.kill()
