# SPDX-License-Identifier: Apache-2.0
"""Ends the server's processes with the server, so that no training goes on that nobody can see or stop."""

from __future__ import annotations

import os

from monai_kd.utils.processes import end_with

__all__ = ["begin", "end_with_server", "is_child", "require_server", "stop_all"]

SERVER = "MONAI_KD_LABEL_SERVER"  # the server's process id, in the environment of the processes that it starts
METHODS = ("train", "scoring", "batch_infer")


def begin() -> None:
    """Mark this process as the server of every process that it starts."""
    os.environ[SERVER] = str(os.getpid())


def is_child() -> bool:
    """Whether a server started this process, for a training, scoring or batch."""
    return os.environ.get(SERVER, str(os.getpid())) != str(os.getpid())


def end_with_server() -> None:
    """
    End this process when its server has ended, if it has one.

    The server's id comes from the environment, because the parent may have changed during seconds of imports.
    """
    if is_child():
        end_with(int(os.environ[SERVER]))


def require_server() -> None:
    """Raise a ValueError if the server has ended, before a file of it is changed."""
    if is_child() and os.getppid() != int(os.environ[SERVER]):
        raise ValueError("The server has ended. The student in service stays; start the server and train again.")


def stop_all() -> None:
    """Stop running and waiting tasks before the server ends, which would otherwise wait for them."""
    from monailabel.utils.async_tasks.utils import background_executors, background_processes

    for method in METHODS:
        executor = background_executors.get(method)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for process in [*background_processes.get(method, {}).values()]:
            process.kill()
